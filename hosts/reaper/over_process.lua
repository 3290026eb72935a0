-- The way without sockets: `audiosr-fx send lines` reads asks from a file and writes replies into another.
-- Paths of recordings stand in the file alone, so that no shell or command line ever sees them.

local process = {}
process.__index = process

local START_S = 60.0 -- how long the program may take to begin

local function line_of(ask)
  local fields = { ask.word, ask.path, ask.first, ask.count, ask.rate, ask.preset }
  for option in ask.options:gmatch("%S+") do
    fields[#fields + 1] = option
  end
  for place, field in ipairs(fields) do
    fields[place] = math.type(field) == "float" and ("%d"):format(field) or tostring(field)
  end
  return table.concat(fields, "\t") .. "\n"
end

local function write_requests(path, asks)
  local stream, why = io.open(path, "wb")
  if not stream then
    return why
  end
  for _, ask in ipairs(asks) do
    stream:write(line_of(ask))
  end
  return not stream:close() and "the disk is full" or nil
end

function process.open(chosen, asks)
  local folder = reaper.GetResourcePath() .. "/audiosr_fx"
  reaper.RecursiveCreateDirectory(folder, 0)
  local base = folder .. "/" .. asks[1].word
  local self = setmetatable({
    requests = base .. ".requests",
    replies = base .. ".replies",
    program = chosen.program,
    rest = "",
    place = 0,
    until_s = reaper.time_precise() + START_S,
  }, process)
  local why = write_requests(self.requests, asks)
  if why then
    return nil, "The request cannot be written: " .. why
  end
  local words = { chosen.program, "send", "lines", self.requests, "-o", self.replies, "--port", chosen.port }
  for place, word in ipairs(words) do
    if word:find('"') then
      os.remove(self.requests)
      return nil, 'A path holds a ", which a command line cannot: ' .. word
    end
    words[place] = '"' .. word .. '"'
  end
  reaper.ExecProcess(table.concat(words, " "), -2)
  return self
end

function process:look(hear)
  local stream = io.open(self.replies, "rb")
  if not stream then
    if reaper.time_precise() > self.until_s then
      local how = "; set its path with the action audiosr_settings"
      hear({ "error", "", "", self.program .. " does not start" .. how })
    end
    return
  end
  stream:seek("set", self.place)
  local text = self.rest .. stream:read("a")
  self.place = stream:seek()
  stream:close()
  self.rest = text:match("[^\n]*$") -- a line that is still being written
  for line in text:gmatch("([^\n]*)\n") do
    local reply = {}
    for field in (line .. "\t"):gmatch("(.-)\t") do
      reply[#reply + 1] = field
    end
    hear(reply)
  end
end

function process:close()
  os.remove(self.requests)
  os.remove(self.replies)
end

return process
