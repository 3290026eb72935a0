-- A project of REAPER as far as the scripts see one, made from a plain description.

local here = arg[0]:match("^(.*/)")
local stub = dofile(here .. "stub.lua")
local open = stub.open

local project = {}

local function source_of(told)
  return stub.object("PCM_source", told)
end

local function take_of(told)
  local values = { D_STARTOFFS = 0.0, D_PLAYRATE = 1.0, D_VOL = 1.0, D_PAN = 0.0, D_PANLAW = -1.0 }
  for key, value in pairs({ D_PITCH = 0.0, B_PPITCH = 1.0, I_CHANMODE = 0.0, I_PITCHMODE = -1.0 }) do
    values[key] = value
  end
  for key, value in pairs(told.values or {}) do
    values[key] = value
  end
  local source = told.source and source_of(told.source) or nil
  return stub.object("MediaItem_Take", {
    name = told.name or "",
    source = source,
    values = values,
    fx = told.fx or {},
    stretch = told.stretch or 0,
    is_midi = told.is_midi or false,
  })
end

local function item_of(told)
  local takes = {}
  for place, take in ipairs(told.takes or {}) do
    takes[place] = take_of(take)
  end
  local values = { D_POSITION = 0.0, D_LENGTH = 1.0, B_LOOPSRC = 1.0, C_LOCK = 0.0 }
  for key, value in pairs(told.values or {}) do
    values[key] = value
  end
  return stub.object("MediaItem", { takes = takes, values = values, active = told.active or 1 })
end

local function find(values, key)
  return assert(values[key], "no such value: " .. key)
end

local function is_file(path)
  local stream = io.open(path, "rb")
  return stream ~= nil and stream:close()
end

function project.open(told)
  local self = { items = {}, undo = {}, boxes = {}, help = {}, commands = {}, state = told.state or {} }
  self.deferred, self.executed, self.clock_s, self.open_blocks, self.guids = {}, {}, 0.0, 0, 0
  for place, item in ipairs(told.items or {}) do
    self.items[place] = item_of(item)
  end

  local function changes()
    assert(self.open_blocks == 1, "a change outside of an undo block")
  end

  local does = {}

  function does.CountSelectedMediaItems()
    return #self.items
  end
  function does.GetSelectedMediaItem(_, number)
    return self.items[number + 1]
  end
  function does.GetSet_LoopTimeRange(is_set)
    assert(not is_set)
    local range = told.range or { 0.0, 0.0 }
    return range[1] + 0.0, range[2] + 0.0
  end
  function does.GetActiveTake(item)
    return open(item).takes[open(item).active]
  end
  function does.TakeIsMIDI(take)
    return open(take).is_midi
  end
  function does.GetMediaItemInfo_Value(item, key)
    return find(open(item).values, key)
  end
  function does.GetMediaItemTakeInfo_Value(take, key)
    return find(open(take).values, key)
  end
  function does.SetMediaItemTakeInfo_Value(take, key, value)
    changes()
    find(open(take).values, key)
    open(take).values[key] = value
    return true
  end
  function does.GetSetMediaItemTakeInfo_String(take, key, text, is_set)
    assert(key == "P_NAME")
    if is_set then
      changes()
      open(take).name = text
    end
    return true, open(take).name
  end
  function does.GetTakeNumStretchMarkers(take)
    return open(take).stretch
  end
  function does.TakeFX_GetCount(take)
    return #open(take).fx
  end
  function does.TakeFX_CopyToTake(from, number, to, at, is_move)
    changes()
    assert(not is_move)
    table.insert(open(to).fx, at + 1, open(from).fx[number + 1])
  end
  function does.GetMediaItemTake_Source(take)
    return open(take).source
  end
  function does.SetMediaItemTake_Source(take, source)
    changes()
    open(take).source = source
    return true
  end
  function does.GetMediaSourceParent(source)
    return open(source).is_section and source_of({ path = "whole.wav" }) or nil
  end
  function does.GetMediaSourceFileName(source)
    return open(source).path
  end
  function does.GetMediaSourceSampleRate(source)
    return open(source).rate or 0
  end
  function does.GetMediaSourceLength(source)
    return open(source).length or 0.0, open(source).is_in_beats or false
  end
  function does.PCM_Source_CreateFromFile(path)
    return is_file(path) and source_of({ path = path }) or nil
  end
  function does.AddTakeToMediaItem(item)
    changes()
    local take = take_of({})
    table.insert(open(item).takes, take)
    return take
  end
  function does.SetActiveTake(take)
    changes()
    for _, item in ipairs(self.items) do
      for place, each in ipairs(open(item).takes) do
        open(item).active = each == take and place or open(item).active
      end
    end
  end
  function does.UpdateItemInProject() end
  function does.UpdateArrange() end
  function does.Main_OnCommand(command)
    table.insert(self.commands, command)
  end
  function does.ValidatePtr2(_, object, name)
    return open(object).is_there and name == open(object).class .. "*"
  end
  function does.Undo_BeginBlock2()
    self.open_blocks = self.open_blocks + 1
  end
  function does.Undo_EndBlock2(_, name, flags)
    self.open_blocks = self.open_blocks - 1
    if flags ~= 0 then
      table.insert(self.undo, name)
    end
  end
  function does.ShowMessageBox(text)
    table.insert(self.boxes, text)
    return 1
  end
  function does.Help_Set(text)
    if text ~= "" and self.help[#self.help] ~= text then
      table.insert(self.help, text)
    end
  end
  function does.HasExtState(section, key)
    assert(section == "audiosr_fx")
    return self.state[key] ~= nil
  end
  function does.GetExtState(_, key)
    return self.state[key] or ""
  end
  function does.SetExtState(_, key, value, persist)
    assert(persist)
    self.state[key] = value
  end
  function does.GetUserInputs(_, count, _, given)
    if not told.inputs then
      return false, given
    end
    assert(count == 4)
    return true, told.inputs
  end
  function does.genGuid()
    self.guids = self.guids + 1
    return ("{%s-%04d}"):format(told.guid or "0000", self.guids)
  end
  function does.GetOS()
    return told.os or "Other"
  end
  function does.GetResourcePath()
    return told.resource
  end
  function does.RecursiveCreateDirectory(path)
    return os.execute("mkdir -p '" .. path:gsub("'", "'\\''") .. "'") and 1 or 0
  end
  function does.file_exists(path)
    return told.all_files_exist or is_file(path) or false
  end
  function does.time_precise()
    return self.now()
  end
  function does.defer(run)
    table.insert(self.deferred, run)
  end
  function does.get_action_context()
    return true, told.script, 0, 0, -1, -1, 0.0, ""
  end

  -- REAPER splits a command line at spaces outside of double quotes, and starts no shell.
  function does.ExecProcess(line, timeout)
    assert(timeout == -2 and not line:find('[^ ]"[^ ]'), "not waiting, and quotes around whole words")
    local words = {}
    for word in line:gmatch('"([^"]*)"') do
      words[#words + 1] = word
    end
    table.insert(self.executed, words)
    return self.execute(words)
  end

  return stub.make(here .. "signatures.txt", does), self
end

return project
