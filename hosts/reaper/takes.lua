-- From finished files to takes: added, placed and chosen, as one step to undo.

local takes = {}

local KEPT = { "D_VOL", "D_PAN", "D_PANLAW", "D_PITCH", "B_PPITCH", "I_CHANMODE", "I_PITCHMODE" }

-- Gives an item a take that plays a finished file; a line on why not, else nil.
local function add(ask)
  if not reaper.ValidatePtr2(0, ask.item, "MediaItem*") then
    return "its item is gone; the result is " .. ask.output
  end
  local source = reaper.PCM_Source_CreateFromFile(ask.output)
  if not source then
    return "REAPER cannot read the result, " .. ask.output
  end
  local offset = ask.first / ask.rate - ask.origin_s
  local old = reaper.ValidatePtr2(0, ask.take, "MediaItem_Take*") and ask.take or nil
  if old then -- it may have been trimmed or slipped meanwhile
    offset = reaper.GetMediaItemTakeInfo_Value(old, "D_STARTOFFS") - ask.origin_s
  end
  local new = reaper.AddTakeToMediaItem(ask.item)
  reaper.SetMediaItemTake_Source(new, source)
  reaper.SetMediaItemTakeInfo_Value(new, "D_STARTOFFS", offset)
  reaper.SetMediaItemTakeInfo_Value(new, "D_PLAYRATE", 1.0)
  if old then
    for _, key in ipairs(KEPT) do
      reaper.SetMediaItemTakeInfo_Value(new, key, reaper.GetMediaItemTakeInfo_Value(old, key))
    end
    for number = 0, reaper.TakeFX_GetCount(old) - 1 do
      reaper.TakeFX_CopyToTake(old, number, new, number, false)
    end
  end
  reaper.GetSetMediaItemTakeInfo_String(new, "P_NAME", ask.name .. " (restored)", true)
  reaper.SetActiveTake(new)
  reaper.UpdateItemInProject(ask.item)
  return nil
end

-- Adds what has come; returns lines on what has not.
function takes.add_all(asks)
  local lines, count = {}, 0
  reaper.Undo_BeginBlock2(0)
  for _, ask in ipairs(asks) do
    local why = ask.error
    if ask.output then
      why = add(ask)
    end
    if why then
      lines[#lines + 1] = ask.name .. ": " .. why
    else
      count = count + 1
    end
  end
  -- 4 says that only items have changed; an empty block makes no step.
  reaper.Undo_EndBlock2(0, count == 1 and "Restore a take" or "Restore takes", count > 0 and 4 or 0)
  if count > 0 then
    reaper.Main_OnCommand(40047, 0) -- Peaks: Build any missing peaks
    reaper.UpdateArrange()
  end
  return lines
end

return takes
