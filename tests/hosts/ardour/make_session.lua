-- Run by ardour7-lua: a new session with a stereo and a mono track, and scripts as the Script Manager keeps them.
local folder, name, rate = os.getenv ("SESSION"), os.getenv ("NAME"), tonumber (os.getenv ("RATE"))

AudioEngine:set_backend ("None (Dummy)", "", ""):set_device_name ("Silence")
local session = create_session (folder, name, rate)
for channels, title in ipairs { "Mono", "Stereo" } do
	session:new_audio_track (channels, 2, nil, 1, title,
		ARDOUR.PresentationInfo.max_order, ARDOUR.TrackMode.Normal, true)
end
session:save_state ("", false, false, false, false, false)

-- A script's factory as bytecode: what it has outside of that function is lost, as in Ardour.
local function kept (path, slot)
	local file = assert (io.open (path))
	local text = file:read ("a")
	file:close ()
	local own = setmetatable ({ ardour = function () end }, { __index = _G })
	assert (load (text, "@" .. path, "t", own)) ()
	local arguments = { ["x-script-origin"] = path }
	for key, parameter in pairs (own.action_params and own.action_params () or {}) do
		local given = os.getenv (("PARAMETER_%d_%s"):format (slot, key))
		if given or not parameter.optional then arguments[key] = given or parameter.default end
	end
	local list = {}
	for key, value in pairs (arguments) do list[#list + 1] = ("[%q] = %q"):format (key, value) end
	return ("{ n = %q, s = %q, f = %q, c = '', a = { %s } }"):format (path:match ("[^/]*$"), text,
		string.dump (own.factory, true), table.concat (list, ", "))
end

local function write (path, text)
	local file = assert (io.open (path, "wb"))
	file:write (text)
	file:close ()
end

local actions = {}
for path in os.getenv ("ACTIONS"):gmatch ("[^:]+") do actions[#actions + 1] = kept (path, #actions + 1) end
write (os.getenv ("STATE") .. "/actions", "scripts = { " .. table.concat (actions, ", ") .. " }")
for path in os.getenv ("HOOKS"):gmatch ("[^:]+") do
	write (os.getenv ("STATE") .. "/" .. path:match ("[^/]*$"), "s = " .. kept (path, 0))
end
close_session ()
quit ()
