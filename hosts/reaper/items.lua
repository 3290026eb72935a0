-- From what is selected to what is to be rendered: one ask an item, or a line on why not.

local items = {}

local CLOSE_S = 1e-6 -- nearer than this, two positions are one
local EMPTY = { start = 0.0, stop = 0.0 }

local function name_of(take)
  local _, name = reaper.GetSetMediaItemTakeInfo_String(take, "P_NAME", "", false)
  return name ~= "" and name or "an item"
end

local function time_selection()
  local start, stop = reaper.GetSet_LoopTimeRange(false, false, 0.0, 0.0, false)
  return stop - start > CLOSE_S and { start = start, stop = stop } or EMPTY
end

-- The file of a take; nil and why not.
local function file_of(take)
  local source = reaper.GetMediaItemTake_Source(take)
  if not source then
    return nil, "has no source"
  end
  if reaper.GetMediaSourceParent(source) then
    return nil, "plays a section of its file, or plays it reversed; glue the item first"
  end
  local path = reaper.GetMediaSourceFileName(source)
  local rate = reaper.GetMediaSourceSampleRate(source)
  local length, is_in_beats = reaper.GetMediaSourceLength(source)
  if path == "" then
    return nil, "has no file; glue the item first"
  end
  if path:find("%c") then
    return nil, "has a file whose name holds a control character; rename it first"
  end
  if rate <= 0 or length <= 0 or is_in_beats or not reaper.file_exists(path) then
    return nil, "is offline, or its file is gone: " .. path
  end
  return { path = path, rate = rate, frames = math.floor(length * rate + 0.5) }
end

-- Why a take's audio is not simply its file's, from some second on; nil where it is.
local function obstacle(item, take)
  local play_rate = reaper.GetMediaItemTakeInfo_Value(take, "D_PLAYRATE")
  if math.abs(play_rate - 1.0) > 1e-9 then
    return ("plays at %.4g times its speed; glue the item first"):format(play_rate)
  end
  if reaper.GetTakeNumStretchMarkers(take) > 0 then
    return "has stretch markers; glue the item first"
  end
  if reaper.GetMediaItemTakeInfo_Value(take, "D_STARTOFFS") < -CLOSE_S then
    return "begins before its file does; trim the item first"
  end
  if reaper.GetMediaItemInfo_Value(item, "C_LOCK") % 2 == 1 then
    return "is locked; unlock the item first"
  end
  return nil
end

-- First sample of a region and the number of its samples, all of a span of seconds in it.
local function samples(start_s, stop_s, file)
  local first = math.max(0, math.floor(start_s * file.rate + 1e-3))
  local stop = math.min(file.frames, math.ceil(stop_s * file.rate - 1e-3))
  return first, stop - first
end

-- What is to be rendered of an item; nil and why not; nil and nil where the time selection passes it by.
local function ask_for(item, take, range, chosen)
  local position = reaper.GetMediaItemInfo_Value(item, "D_POSITION")
  local length = reaper.GetMediaItemInfo_Value(item, "D_LENGTH")
  local from, to = position, position + length
  if range ~= EMPTY then
    from, to = math.max(from, range.start), math.min(to, range.stop)
    if to - from < CLOSE_S then
      return nil
    end
  end
  local why = obstacle(item, take)
  local file
  if not why then
    file, why = file_of(take)
  end
  if why then
    return nil, why
  end
  local offset = reaper.GetMediaItemTakeInfo_Value(take, "D_STARTOFFS") - position
  local reaches = to + offset - file.frames / file.rate
  if reaches > 1.5 / file.rate and reaper.GetMediaItemInfo_Value(item, "B_LOOPSRC") == 1 then
    return nil, "loops its file; glue the item first"
  end
  local first, count = samples(from + offset, to + offset, file)
  if count < 1 then
    return nil, "has nothing of its file in it"
  end
  local is_whole = from - position < CLOSE_S and position + length - to < CLOSE_S
  return {
    word = "reaper-" .. reaper.genGuid():gsub("%W", ""),
    name = name_of(take),
    item = item,
    take = take,
    path = file.path,
    first = first,
    count = count,
    rate = file.rate,
    -- A part of an item comes back inside its whole file, so that the take sounds on both sides of it.
    origin_s = is_whole and first / file.rate or 0.0,
    preset = chosen.preset,
    options = chosen.options .. (is_whole and "" or " mode=file"),
  }
end

-- What is to be rendered of the selected items, as a list, and lines on those that are refused.
function items.read_selection(chosen)
  local asks, refused = {}, {}
  local range = time_selection()
  for number = 0, reaper.CountSelectedMediaItems(0) - 1 do
    local item = reaper.GetSelectedMediaItem(0, number)
    local take = reaper.GetActiveTake(item)
    if not take then
      refused[#refused + 1] = "an empty item is passed over"
    elseif reaper.TakeIsMIDI(take) then
      refused[#refused + 1] = name_of(take) .. ": is MIDI; apply its instrument as a new take first"
    else
      local ask, why = ask_for(item, take, range, chosen)
      if ask then
        asks[#asks + 1] = ask
      elseif why then
        refused[#refused + 1] = name_of(take) .. ": " .. why
      end
    end
  end
  if #asks == 0 and #refused == 0 and range ~= EMPTY and reaper.CountSelectedMediaItems(0) > 0 then
    refused[1] = "No selected item lies in the time selection."
  end
  return asks, refused
end

return items
