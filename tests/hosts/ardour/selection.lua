-- Runs "AudioSR: restore" over a stub of Ardour: `lua5.4 selection.lua ACTION FOLDER COUNT`. Of COUNT selected
-- regions all but the last are answered, one in every second of waiting. Printed are what is shown, how many are
-- answered, how long it waited, and how many were noted when the first was sent.

local action, folder, count = arg[1], arg[2], tonumber(arg[3])
function ardour() end
dofile(action)

local function as(value)
  return function()
    return value
  end
end

local function list(values)
  return {
    iter = function()
      local place = 0
      return function()
        place = place + 1
        return values[place]
      end
    end,
  }
end

local stateful = { id = as({ to_s = as("1") }) }
local function region(number)
  local file = { isnil = as(false), path = as(folder .. "/" .. number .. ".wav"), channel = as(0) }
  return {
    name = as("region " .. number),
    to_audioregion = as({ isnil = as(false), n_channels = as(1) }),
    source = as({ to_filesource = as(file) }),
    to_stateful = as(stateful),
    start = as({ samples = as(0) }),
    position = as({ samples = as(0) }),
    length = as({ samples = as(9) }),
  }
end

local regions = {}
for number = 1, count do
  regions[number] = region(number)
end
local track = { playlist = as({ region_by_id = as({ isnil = as(false) }) }), to_stateful = as(stateful) }
track.to_track = as(track)
Session = { get_tracks = as(list({ track })), nominal_sample_rate = as(48000.0), path = as(folder .. "/session") }
Editor = {
  get_selection = as({
    regions = { regionlist = as(list(regions)) },
    time = { start_sample = as(0), end_sample = as(0) },
  }),
}

local words, waited_s, answered = {}, 0, 0
local function pass_time(microseconds)
  waited_s = waited_s + microseconds / 1e6
  if waited_s >= answered + 1 and answered < count - 1 then
    answered = answered + 1
    local receipt = assert(io.open(folder .. "/restored/" .. words[answered] .. ".receipt", "w"))
    receipt:write("/audiosr/accepted\nword\nosc-1\n")
    receipt:close()
  end
end
local noted = 0
local address = {
  send = function(_, _, _, word)
    if noted == 0 then
      for _ in io.lines(folder .. "/session/audiosr-fx.pending") do
        noted = noted + 1
      end
    end
    words[#words + 1] = word
  end,
}
ARDOUR = {
  LuaOSC = { Address = as(address) },
  LuaAPI = {
    usleep = pass_time,
    monotonic_time = as(5.0),
    build_filename = function(one, other)
      return one .. "/" .. other
    end,
  },
}
LuaDialog = {
  MessageType = {},
  ButtonType = {},
  Message = function(_, text)
    print(text)
    return { run = as(nil) }
  end,
}

factory({})()
print(answered, math.floor(waited_s), noted)
