-- OSC 1.0 messages as bytes, in what Lua 5.3 has built in.

local osc = {}

local function padded(text)
  return text .. ("\0"):rep(4 - #text % 4)
end

-- A message of texts and whole numbers; those that 32 bits hold go as i, others as h.
function osc.encode(address, arguments)
  local tags, body = ",", {}
  for place, value in ipairs(arguments) do
    local whole = type(value) == "number" and math.tointeger(value)
    if type(value) == "string" then
      tags, body[place] = tags .. "s", padded(value)
    elseif whole and whole >= -0x80000000 and whole <= 0x7fffffff then
      tags, body[place] = tags .. "i", (">i4"):pack(whole)
    elseif whole then
      tags, body[place] = tags .. "h", (">i8"):pack(whole)
    else
      error("an argument is neither text nor a whole number")
    end
  end
  return padded(address) .. padded(tags) .. table.concat(body)
end

local SIZES = { i = ">i4", f = ">f", h = ">i8", d = ">d" }

-- The end of a text that is padded to four bytes, and the text; nil where there is none.
local function text_at(packet, place)
  local stop = packet:find("\0", place, true)
  if not stop then
    return nil
  end
  return place + (stop - place) // 4 * 4 + 4, packet:sub(place, stop - 1)
end

-- Address and arguments of a packet; nil where it is no message of texts and numbers.
function osc.decode(packet)
  local place, address = text_at(packet, 1)
  local tags
  if place then
    place, tags = text_at(packet, place)
  end
  if not place or address:sub(1, 1) ~= "/" or tags:sub(1, 1) ~= "," then
    return nil
  end
  local arguments = {}
  for tag in tags:sub(2):gmatch(".") do
    if tag == "s" then
      place, arguments[#arguments + 1] = text_at(packet, place)
      if not place then
        return nil
      end
    else
      local form = SIZES[tag]
      if not form or place + form:packsize() > #packet + 1 then
        return nil
      end
      arguments[#arguments + 1], place = form:unpack(packet, place)
    end
  end
  return address, arguments
end

return osc
