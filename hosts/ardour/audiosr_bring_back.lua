ardour {
	["type"] = "EditorHook",
	name = "AudioSR: bring back",
	author = "audiosr_fx",
	license = "GPL-3.0-or-later",
	description = [[Does "AudioSR: import" by itself, as soon as something is finished: a press of the key of "AudioSR: restore" is then all there is to do.]]
}

function signals ()
	return LuaSignal.Set ():add ({ [LuaSignal.LuaTimerS] = true })
end

function factory (params)
	local import, is_busy = nil, false

	-- The action's own code, from the file beside this one: scripts cannot load modules.
	local function load_import ()
		local here = tostring (params and params["x-script-origin"]):match ("^(.*[/\\])") or ""
		local path = here .. "audiosr_import.lua"
		local file = assert (io.open (path, "r"), path .. " is missing; install the scripts again")
		local text = file:read ("a")
		file:close ()
		local own = setmetatable ({ ardour = function () end }, { __index = _G })
		assert (load (text, "@" .. path, "t", own)) ()
		return own.factory ({ quiet = true })
	end

	return function ()
		if is_busy then return end -- an import lets the timer go on
		is_busy = true
		local fine, fault = pcall (function ()
			import = import or load_import ()
			import ()
		end)
		if not fine then
			print ("AudioSR: bring back: " .. tostring (fault))
			import = function () end -- what fails once fails every second
		end
		is_busy = false
	end
end
