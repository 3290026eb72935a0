-- Renders the selected items, or of each what lies in the time selection, and adds the results as takes.
-- Install it as an action, beside the other files of this folder; see README.md.
-- It has not been run in REAPER itself: its tests run it in Lua 5.4 against the documented functions.

local _, script = reaper.get_action_context()
local here = script:match("^(.*[/\\])") or ""
local function part(name)
  return dofile(here .. name .. ".lua")
end

local settings, items, takes = part("settings"), part("items"), part("takes")
local REFRESH_S = 0.1

local function say(lines)
  reaper.ShowMessageBox(table.concat(lines, "\n"), "audiosr_fx", 0)
end

local function main()
  local chosen = settings.read()
  local asks, refused = items.read_selection(chosen)
  if #asks == 0 then
    say(#refused > 0 and refused or { "Select an audio item first." })
    return
  end
  local courier, problem = part("courier").open(chosen, part, asks)
  if not courier then
    say({ problem })
    return
  end

  local looked_at = reaper.time_precise()
  local function go_on()
    if reaper.time_precise() - looked_at < REFRESH_S then
      reaper.defer(go_on)
      return
    end
    looked_at = reaper.time_precise()
    courier:look()
    reaper.Help_Set(courier:progress(), true)
    if not courier:is_done() then
      reaper.defer(go_on)
      return
    end
    courier:close()
    for _, line in ipairs(takes.add_all(asks)) do
      refused[#refused + 1] = line
    end
    reaper.Help_Set("", true)
    if #refused > 0 then
      say(refused)
    end
  end
  go_on()
end

main()
