-- What the user has chosen: kept by REAPER, over restarts.

local SECTION = "audiosr_fx"
local DEFAULTS = { program = "audiosr-fx", port = "9123", preset = "", options = "" }
local NAMES = { "program", "port", "preset", "options" }
local settings = {}

function settings.read()
  local chosen = {}
  for _, name in ipairs(NAMES) do
    local kept = reaper.HasExtState(SECTION, name)
    chosen[name] = kept and reaper.GetExtState(SECTION, name) or DEFAULTS[name]
  end
  return chosen
end

-- Asks the user; returns nothing where he thought better of it, and else a line on what is wrong, or true.
function settings.ask()
  local now = settings.read()
  local captions = "Path of audiosr-fx,Port of serve,Preset (may be empty),Options,extrawidth=240"
  local values = {}
  for place, name in ipairs(NAMES) do
    values[place] = now[name]
  end
  local is_ok, text = reaper.GetUserInputs("audiosr_fx", #NAMES, captions, table.concat(values, ","))
  if not is_ok then
    return nil
  end
  local told = {}
  for value in (text .. ","):gmatch("(.-),") do
    told[#told + 1] = value:match("^%s*(.-)%s*$")
  end
  if #told ~= #NAMES then
    return "A value holds a comma, which cannot be kept."
  end
  local port = math.tointeger(tonumber(told[2]))
  if not port or port < 1 or port > 65535 then
    return "The port is " .. tostring(told[2]) .. "; expected 1 to 65535."
  end
  for place, name in ipairs(NAMES) do
    reaper.SetExtState(SECTION, name, told[place], true)
  end
  return true
end

return settings
