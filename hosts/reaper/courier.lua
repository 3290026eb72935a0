-- Takes asks to the server and brings its replies back: over a socket where Lua has one, else through
-- `audiosr-fx send lines`. Never waits: `look` is called again and again, and each ask says where it stands.

local courier = {}
courier.__index = courier

-- What a way has to offer: open(chosen, asks) gives itself, or nil and why not; look(hear) calls hear with a
-- list of a reply's name and its arguments as texts, for each that has come; close() ends it.
local WAYS = { "over_socket", "over_process" }

function courier.open(chosen, part, asks)
  local problem
  for _, name in ipairs(WAYS) do
    local way
    way, problem = part(name).open(chosen, asks, part)
    if way then
      return setmetatable({ way = way, asks = asks }, courier)
    end
  end
  return nil, problem
end

function courier:look()
  self.way:look(function(reply)
    self:hear(reply)
  end)
end

function courier:hear(reply)
  if #reply < 2 then
    return -- an empty line, which only says that somebody is there
  end
  for _, ask in ipairs(self.asks) do
    if (ask.word == reply[2] or reply[2] == "") and not ask.is_done then
      if reply[1] == "done" then
        ask.output, ask.is_done = reply[4], true
      elseif reply[1] == "error" then
        ask.error, ask.is_done = reply[4], true
      elseif reply[1] == "progress" then
        ask.share = tonumber(reply[4]) or ask.share
      elseif reply[1] == "accepted" then
        ask.is_accepted = true
      end
    end
  end
end

function courier:is_done()
  for _, ask in ipairs(self.asks) do
    if not ask.is_done then
      return false
    end
  end
  return true
end

function courier:progress()
  local sum = 0.0
  for _, ask in ipairs(self.asks) do
    sum = sum + (ask.is_done and 1.0 or ask.share or 0.0)
  end
  return ("audiosr_fx: %d %% of %d"):format(math.floor(100 * sum / #self.asks), #self.asks)
end

function courier:close()
  self.way:close()
end

return courier
