ardour {
	["type"] = "EditorAction",
	name = "AudioSR: restore",
	author = "audiosr_fx",
	license = "GPL-3.0-or-later",
	description = [[Sends the selected regions, or else what sounds within the selected range of the selected tracks, to a running "audiosr-fx serve". With the hook "AudioSR: bring back" the restored takes come back by themselves.]]
}

function action_params ()
	return {
		["preset"] = { title = "Preset", default = "", optional = true },
		["options"] = { title = "Options (quality=best seed=7)", default = "", optional = true },
		["where"] = { title = "Bring back as: layer, or track", default = "layer" },
		["port"] = { title = "OSC port of audiosr-fx serve", default = "9123" },
	}
end

function factory (params) return function ()
	local told = params or {}
	local RESTORED, SUFFIX, PENDING = "restored", ".receipt", "audiosr-fx.pending"
	local PATIENCE_S, REPEAT_S, LOOK_S = 5, 0.25, 0.02

	local function say (text)
		LuaDialog.Message ("AudioSR", text, LuaDialog.MessageType.Warning, LuaDialog.ButtonType.Close):run ()
	end

	-- A part of a region as one thing to ask for; or nothing, and the reason.
	local function asked (track, region, position, length)
		local audio = region:to_audioregion ()
		if audio:isnil () then return nil, "is no audio" end
		local paths, differ, whole = {}, false, true
		for channel = 0, audio:n_channels () - 1 do
			local file = region:source (channel):to_filesource () -- audio_source () has no cast to a file
			if file:isnil () then return nil, "is made of other regions; bounce it first" end
			paths[channel + 1] = file:path ()
			differ = differ or paths[channel + 1] ~= paths[1]
			whole = whole and file:channel () == channel
		end
		if not (differ or whole) then return nil, "has some channels of a file only; bounce it first" end
		return {
			name = region:name (),
			track = track:to_stateful ():id ():to_s (),
			region = region:to_stateful ():id ():to_s (),
			position = position,
			start = region:start ():samples () + position - region:position ():samples (),
			length = length,
			channels = audio:n_channels (),
			paths = differ and paths or { paths[1] }, -- a file with all channels is asked for once
		}
	end

	local function track_of (region)
		for route in Session:get_tracks ():iter () do
			local track = route:to_track ()
			if not track:playlist ():region_by_id (region:to_stateful ():id ()):isnil () then return track end
		end
	end

	-- What sounds on a track within a range: parts of the topmost regions, as {region, from, to}.
	local function audible (playlist, from, to)
		local edges = { from, to }
		for region in playlist:region_list ():iter () do
			local first = region:position ():samples ()
			for _, edge in ipairs { first, first + region:length ():samples () } do
				if from < edge and edge < to then edges[#edges + 1] = edge end
			end
		end
		table.sort (edges)
		local parts = {}
		for i = 1, #edges - 1 do
			local region = playlist:top_unmuted_region_at (Temporal.timepos_t (edges[i]))
			if edges[i] < edges[i + 1] and not region:isnil () then
				local last, id = parts[#parts], region:to_stateful ():id ():to_s ()
				if last and last.id == id and last.to == edges[i] then
					last.to = edges[i + 1]
				else
					parts[#parts + 1] = { region = region, id = id, from = edges[i], to = edges[i + 1] }
				end
			end
		end
		return parts
	end

	local function selected ()
		local asks, refused = {}, {}
		local function add (track, region, position, length)
			local ask, reason = asked (track, region, position, length)
			if ask then asks[#asks + 1] = ask else refused[#refused + 1] = region:name () .. " " .. reason end
		end
		local selection = Editor:get_selection ()
		for region in selection.regions:regionlist ():iter () do
			add (track_of (region), region, region:position ():samples (), region:length ():samples ())
		end
		local from, to = selection.time:start_sample (), selection.time:end_sample ()
		if #asks + #refused == 0 and from < to then
			for route in selection.tracks:routelist ():iter () do
				local track = route:to_track ()
				if not track:isnil () then
					for _, part in ipairs (audible (track:playlist (), from, to)) do
						add (track, part.region, part.from, part.to - part.from)
					end
				end
			end
		end
		return asks, refused
	end

	local function send (ask)
		local address = ARDOUR.LuaOSC.Address ("osc.udp://127.0.0.1:" .. (tonumber (told.port) or 9123))
		local start, length = tostring (ask.start), tostring (ask.length) -- text is exact at any size
		local rate, preset = math.tointeger (Session:nominal_sample_rate ()), told.preset or ""
		local options = "receipt=yes " .. (told.options or "")
		-- send () answers false even where it has sent
		address:send ("/audiosr/render/channels", "ssssiss" .. ("s"):rep (#ask.paths),
			ask.word, "", start, length, rate, preset, options, table.unpack (ask.paths))
	end

	-- Address and text of the newest reply, or nothing.
	local function answer (ask)
		local receipt = io.open (ask.receipt, "r")
		if not receipt then return nil end
		local lines = {}
		for line in receipt:lines () do lines[#lines + 1] = line end
		receipt:close ()
		return lines[1], lines[4]
	end

	-- Say it until all of it is heard, or nothing has been for a while.
	local function ask_until_heard (asks)
		local open, turn, last = asks, 0, PATIENCE_S / LOOK_S
		while #open > 0 and turn <= last do
			if turn % (REPEAT_S / LOOK_S) < 1 then
				for _, ask in ipairs (open) do send (ask) end
			end
			ARDOUR.LuaAPI.usleep (math.floor (LOOK_S * 1e6))
			local left = {}
			for _, ask in ipairs (open) do
				ask.address, ask.text = answer (ask)
				if not ask.address then left[#left + 1] = ask end
			end
			if #left < #open then last = turn + PATIENCE_S / LOOK_S end -- it is there, and at work
			open, turn = left, turn + 1
		end
	end

	local function list_path () return ARDOUR.LuaAPI.build_filename (Session:path (), PENDING) end

	-- Before anything is sent: should Ardour end meanwhile, "AudioSR: import" still knows what comes.
	local function note (asks)
		local list = assert (io.open (list_path (), "a"))
		local where = told.where == "track" and "track" or "layer"
		for _, ask in ipairs (asks) do
			local fields = { ask.receipt, ask.track, ask.region, ask.position, ask.channels, where, ask.name }
			ask.line = table.concat (fields, "\t")
			list:write (ask.line, "\n")
		end
		assert (list:close ())
	end

	-- What does not come is taken off the list again.
	local function strike (asks)
		local gone, kept = {}, {}
		for _, ask in ipairs (asks) do gone[ask.line] = true end
		for line in io.lines (list_path ()) do
			if not gone[line] then kept[#kept + 1] = line .. "\n" end
		end
		if #kept == 0 then return os.remove (list_path ()) end
		local list = assert (io.open (list_path () .. ".new", "w"))
		list:write (table.concat (kept))
		assert (list:close ())
		assert (os.rename (list_path () .. ".new", list_path ()))
	end

	local function run ()
		local asks, refused = selected ()
		if #asks + #refused == 0 then return say ("Select regions, or a range and its tracks.") end
		for number, ask in ipairs (asks) do
			local now = math.tointeger (ARDOUR.LuaAPI.monotonic_time ())
			ask.word = ("ardour-%d-%d-%d"):format (os.time (), now, number)
			ask.receipt = ask.paths[1]:match ("^(.*/)") .. RESTORED .. "/" .. ask.word .. SUFFIX
		end
		if #asks > 0 then note (asks) end
		ask_until_heard (asks)
		local silent, struck = nil, {}
		for _, ask in ipairs (asks) do
			local is_refused = ask.address == "/audiosr/error"
			if is_refused or not ask.address then struck[#struck + 1] = ask end
			if not ask.address then
				silent = silent or ask
			elseif is_refused then
				refused[#refused + 1] = ask.name .. ": " .. (ask.text or "no reason was given")
				os.remove (ask.receipt)
			end
		end
		if #struck > 0 then strike (struck) end
		if silent then
			local text = "Nothing answers at port %s for these files. Start it, or the session lies outside of"
				.. " its --root:\n\naudiosr-fx serve --root \"%s\""
			refused[#refused + 1] = text:format (told.port or "9123", silent.paths[1]:match ("^(.*/)"))
		end
		if #refused > 0 then say (table.concat (refused, "\n")) end
	end

	local fine, fault = pcall (run) -- an action that raises an error is taken off its slot
	if not fine then say ("This script has a fault: " .. tostring (fault)) end
end end
