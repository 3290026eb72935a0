ardour { ["type"] = "EditorHook", name = "Listen", description = "Runs what a test writes into a file." }

function signals ()
	return LuaSignal.Set ():add ({ [LuaSignal.LuaTimerDS] = true })
end

function factory (params)
	local is_busy = false
	return function ()
		local said = ARDOUR.LuaAPI.build_filename (Session:path (), "said.lua")
		local file = not is_busy and io.open (said, "r")
		if not file then return end
		is_busy = true
		local text = file:read ("a")
		file:close ()
		os.remove (said)
		local chunk, fault = load (text)
		local fine, answer
		if chunk then fine, answer = pcall (chunk) else fine, answer = false, fault end
		local heard = ARDOUR.LuaAPI.build_filename (Session:path (), "heard")
		local out = io.open (heard .. ".new", "w")
		out:write ((fine and "" or "fault: ") .. tostring (answer))
		out:close ()
		os.rename (heard .. ".new", heard)
		is_busy = false
	end
end
