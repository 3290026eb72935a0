-- Runs an action in a project: `lua5.4 run.lua DESCRIPTION`; what has become of the project comes out as JSON.

local here = arg[0]:match("^(.*/)")
local project = dofile(here .. "project.lua")
local open = dofile(here .. "stub.lua").open
local told = dofile(arg[1])

if not told.has_sockets then
  package.cpath, package.path = "", ""
end
local state
reaper, state = project.open(told)

local function quoted(word)
  return "'" .. word:gsub("'", "'\\''") .. "'"
end

local function words_of(path)
  local words = {}
  for line in io.lines(path) do
    words[#words + 1] = line:match("^[^\t]+")
  end
  return words
end

-- Either the program itself, to its end; or what it would write, a piece at each look. NUMBER's word is {n}.
local pieces, replies
function state.execute(words)
  if not told.pieces then
    for place, word in ipairs(words) do
      words[place] = quoted(word)
    end
    os.execute(table.concat(words, " ") .. " 2>/dev/null")
    return ""
  end
  local asked = words_of(words[4])
  pieces, replies = {}, words[6]
  for place, piece in ipairs(told.pieces) do
    pieces[place] = piece:gsub("{(%d+)}", function(number)
      return asked[tonumber(number)]
    end)
  end
  return ""
end

function state.now()
  return state.clock_s
end

-- Time passes with looks alone, however long each takes. A server of the test that answers ticks has by then
-- heard all that was said before; a real one is given a moment.
local look_s, let_others_work = 1.0, function() end
if told.has_sockets then
  local core = require("socket.core")
  look_s = told.look_s or 0.01
  let_others_work = function()
    core.sleep(0.01)
  end
  if told.tick_port then
    local ticks = core.udp()
    ticks:settimeout(100)
    ticks:setpeername("127.0.0.1", told.tick_port)
    let_others_work = function()
      ticks:send("tick")
      assert(ticks:receive())
    end
  end
end

-- What happens between two looks of the action, as it does in REAPER.
local function pass_time()
  state.clock_s = state.clock_s + look_s
  let_others_work()
  local piece = pieces and table.remove(pieces, 1)
  if piece then
    local stream = assert(io.open(replies, "ab"))
    stream:write(piece)
    stream:close()
  end
  for _, change in ipairs(told.meanwhile or {}) do
    local item = open(state.items[change.item])
    if change.is_gone then
      item.is_there = false
    end
    for key, value in pairs(change.values or {}) do
      open(item.takes[1]).values[key] = value
    end
  end
end

dofile(told.script)
local looks = 0
while #state.deferred > 0 do
  looks = looks + 1
  assert(looks < 20000, "the action does not end")
  pass_time()
  local due = state.deferred
  state.deferred = {}
  for _, run in ipairs(due) do
    run()
  end
end
assert(state.open_blocks == 0)

local function json(value)
  if type(value) == "string" then
    return '"' .. value:gsub('[%c"\\]', function(c)
      return ("\\u%04x"):format(c:byte())
    end) .. '"'
  elseif type(value) ~= "table" then
    return tostring(value)
  end
  local parts = {}
  for _, each in ipairs(value) do
    parts[#parts + 1] = json(each)
  end
  if #parts > 0 or next(value) == nil then
    return "[" .. table.concat(parts, ",") .. "]"
  end
  for key, each in pairs(value) do
    parts[#parts + 1] = json(key) .. ":" .. json(each)
  end
  return "{" .. table.concat(parts, ",") .. "}"
end

local items = {}
for place, item in ipairs(state.items) do
  local takes = {}
  for number, take in ipairs(open(item).takes) do
    local source = open(take).source
    takes[number] = {
      name = open(take).name,
      path = source and open(source).path or "",
      values = open(take).values,
      fx = open(take).fx,
    }
  end
  items[place] = { takes = takes, active = open(item).active }
end
io.write(json({
  items = items,
  undo = state.undo,
  boxes = state.boxes,
  help = state.help,
  state = state.state,
  executed = state.executed,
}))
