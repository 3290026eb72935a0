-- The way without sockets: `audiosr-fx send lines` reads asks from a file and writes replies into another.
-- Paths of recordings stand in the file alone, so that no shell or command line ever sees them.

local process = {}
process.__index = process

local SILENT_S = 60.0 -- how long it may take to begin, and say nothing; an empty line comes every five seconds

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
    heard_s = reaper.time_precise(),
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
  local text = self:read()
  if text ~= "" then
    self.heard_s, self.has_begun = reaper.time_precise(), true
  elseif reaper.time_precise() - self.heard_s > SILENT_S then
    local missing = " does not start; set its path with the action audiosr_settings"
    local how = self.has_begun and " has ended before its renders; try again" or missing
    hear({ "error", "", "", self.program .. how })
    return
  end
  text = self.rest .. text
  self.rest = text:match("[^\n]*$") -- a line that is still being written
  for line in text:gmatch("([^\n]*)\n") do
    local reply = {}
    for field in (line .. "\t"):gmatch("(.-)\t") do
      reply[#reply + 1] = field
    end
    hear(reply)
  end
end

-- What was written since the last time.
function process:read()
  local stream = io.open(self.replies, "rb")
  if not stream then
    return ""
  end
  stream:seek("set", self.place)
  local text = stream:read("a")
  self.place = stream:seek()
  stream:close()
  return text
end

function process:close()
  os.remove(self.requests)
  os.remove(self.replies)
end

return process
