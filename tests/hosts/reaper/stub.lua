-- A reaper table made from documented signatures: every call is held against them, both ways.

local stub = {}

local PLAIN = { string = true, number = true, boolean = true, ["function"] = true }

-- Objects of the host are opaque to scripts; one that is gone crashes REAPER, and fails here.
function stub.object(class, fields)
  fields.class, fields.is_there = class, true
  return setmetatable({}, {
    object = fields,
    __index = function()
      error("a script looks into a " .. class)
    end,
  })
end

function stub.open(object)
  return getmetatable(object).object
end

local function fits(value, kind)
  if PLAIN[kind] then
    return type(value) == kind
  elseif kind == "integer" then
    return type(value) == "number" and math.tointeger(value) ~= nil
  elseif kind == "ReaProject" then
    return value == 0
  end
  local held = type(value) == "table" and (getmetatable(value) or {}).object
  if not held then
    return false
  end
  return kind == "identifier" or (held.class == kind and held.is_there)
end

local function check(value, kind, what)
  local may_be_nil = kind:match("^%[(.*)%]$")
  if may_be_nil and value == nil then
    return
  end
  kind = may_be_nil or kind
  if not fits(value, kind) then
    error(("%s is %s (%s); expected %s"):format(what, tostring(value), math.type(value) or type(value), kind), 3)
  end
end

local function words(text)
  local found = {}
  for each in text:gmatch("[^,]+") do
    found[#found + 1] = each:match("^%s*(%S+)")
  end
  return found
end

local function checked(name, takes, gives, behaviour)
  return function(...)
    local given = table.pack(...)
    if given.n ~= #takes then
      error(("%s is given %d arguments; expected %d"):format(name, given.n, #takes), 2)
    end
    for place, kind in ipairs(takes) do
      check(given[place], kind, ("argument %d of %s"):format(place, name))
    end
    local got = table.pack(behaviour(...))
    for place, kind in ipairs(gives) do
      check(got[place], kind, ("result %d of %s"):format(place, name))
    end
    return table.unpack(got, 1, #gives)
  end
end

function stub.make(signatures, behaviours)
  local reaper, known = {}, {}
  for line in io.lines(signatures) do
    if line ~= "" and line:sub(1, 1) ~= "#" then
      local gives, name, takes = line:match("^(.-)%s*reaper%.([%w_]+)%((.*)%)$")
      local behaviour = assert(behaviours[name], "no behaviour of " .. tostring(name) .. " in: " .. line)
      reaper[name] = checked(name, words(takes), words(gives), behaviour)
      known[name] = true
    end
  end
  for name in pairs(behaviours) do
    assert(known[name], "no signature of " .. name)
  end
  return setmetatable(reaper, {
    __index = function(_, name)
      error("reaper." .. tostring(name) .. " is in no signature", 2)
    end,
  })
end

return stub
