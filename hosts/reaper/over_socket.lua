-- The way over UDP, where mavriq-lua-sockets is installed through ReaPack: replies come sooner, and no
-- program is started. An ask is said again until it is acknowledged, then asked after.

local socket_way = {}
socket_way.__index = socket_way

local REPEAT_S, ASK_AFTER_S, GIVE_UP_S = 0.25, 2.0, 10.0
local AT_ONCE = 4 -- messages a look: the server listens to fifty a second from one sender
local MODULES = "/Scripts/Mavriq ReaScript Repository/Various/Mavriq-Lua-Sockets/?."

local function load_sockets()
  local base = reaper.GetResourcePath() .. MODULES
  local is_windows = reaper.GetOS():sub(1, 3) == "Win"
  package.cpath = package.cpath .. ";" .. base .. (is_windows and "dll" or "so")
  local is_there, core = pcall(require, "socket.core")
  return is_there and type(core) == "table" and core or nil
end

function socket_way.open(chosen, asks, part)
  local core = load_sockets()
  local udp = core and core.udp()
  if not udp then
    return nil, "Lua has no sockets"
  end
  udp:settimeout(0)
  if not udp:setpeername("127.0.0.1", math.tointeger(tonumber(chosen.port)) or 0) then
    udp:close()
    return nil, "The port is " .. chosen.port .. "; set another with the action audiosr_settings"
  end
  local self = setmetatable({ udp = udp, asks = asks, osc = part("osc"), port = chosen.port }, socket_way)
  for place, ask in ipairs(asks) do
    ask.place, ask.said_s = place, -math.huge
  end
  return self
end

local function message_of(osc, ask)
  if ask.is_accepted then
    return osc.encode("/audiosr/status", { ask.word })
  end
  local arguments = { ask.word, "", ask.path, ask.first, ask.count, ask.rate, ask.preset }
  for option in ask.options:gmatch("%S+") do
    arguments[#arguments + 1] = option
  end
  return osc.encode("/audiosr/render", arguments)
end

-- Asks that are to be said, those that have waited longest first, so that repeats hold up none.
local function due(asks, now)
  local found = {}
  for _, ask in ipairs(asks) do
    if not ask.is_done and now - ask.said_s > (ask.is_accepted and ASK_AFTER_S or REPEAT_S) then
      found[#found + 1] = ask
    end
  end
  table.sort(found, function(one, other)
    if one.said_s ~= other.said_s then
      return one.said_s < other.said_s
    end
    return one.place < other.place
  end)
  return found
end

function socket_way:say(hear)
  local now = reaper.time_precise()
  for place, ask in ipairs(due(self.asks, now)) do
    if ask.heard_s and now - ask.heard_s > GIVE_UP_S then
      local how = "; start it with: audiosr-fx serve --root FOLDER"
      hear({ "error", ask.word, "", "nothing answers at port " .. self.port .. how })
    elseif place <= AT_ONCE then
      self.udp:send(message_of(self.osc, ask))
      ask.said_s, ask.heard_s = now, ask.heard_s or now -- it cannot be heard of before it is said
    end
  end
end

function socket_way:look(hear)
  self:say(hear)
  local packet = self.udp:receive()
  while packet do
    local address, arguments = self.osc.decode(packet)
    local name = address and address:match("^/audiosr/(%w+)$")
    if name then
      self:pass_on(name, arguments, hear)
    end
    packet = self.udp:receive()
  end
end

function socket_way:pass_on(name, arguments, hear)
  local reply = { name }
  for place, value in ipairs(arguments) do
    reply[place + 1] = tostring(value)
  end
  for _, ask in ipairs(self.asks) do
    if ask.word == reply[2] then
      ask.heard_s = reaper.time_precise()
    end
  end
  hear(reply)
end

function socket_way:close()
  self.udp:close()
end

return socket_way
