ardour {
	["type"] = "EditorAction",
	name = "AudioSR: import",
	author = "audiosr_fx",
	license = "GPL-3.0-or-later",
	description = [[Brings back what "AudioSR: restore" has asked for and is finished: each take at the very sample of its region, on the same track as a new layer or on a new track. One step to undo.]]
}

function factory (params) return function ()
	local is_quiet = params and params["quiet"] -- so the hook calls it, once a second
	local LIST = ARDOUR.LuaAPI.build_filename (Session:path (), "audiosr-fx.pending")

	local function say (text)
		LuaDialog.Message ("AudioSR", text, LuaDialog.MessageType.Info, LuaDialog.ButtonType.Close):run ()
	end

	local function lines_of (path)
		local file = io.open (path, "r")
		if not file then return {} end
		local lines = {}
		for line in file:lines () do lines[#lines + 1] = line end
		file:close ()
		return lines
	end

	-- What was asked for and has not come back, as "AudioSR: restore" notes it.
	local function pending ()
		local asks = {}
		for _, line in ipairs (lines_of (LIST)) do
			local receipt, track, region, position, channels, where, name =
				line:match ("^(.-)\t(%d+)\t(%d+)\t(%d+)\t(%d+)\t(%a+)\t(.*)$")
			if receipt then
				asks[#asks + 1] = {
					line = line, receipt = receipt, track = track, region = region, where = where, name = name,
					position = math.tointeger (position), channels = math.tointeger (channels),
				}
			end
		end
		return asks
	end

	local function forget (ask)
		local kept = {}
		for _, line in ipairs (lines_of (LIST)) do
			if line ~= ask.line then kept[#kept + 1] = line .. "\n" end
		end
		if #kept == 0 then
			os.remove (LIST)
		else
			local file = assert (io.open (LIST .. ".new", "w"))
			file:write (table.concat (kept))
			file:close ()
			assert (os.rename (LIST .. ".new", LIST))
		end
		os.remove (ask.receipt)
	end

	-- The track that an ask came from; a new one where that is wanted, or it is gone.
	local function track_for (ask, name)
		if ask.where == "layer" then
			local route = Session:route_by_id (PBD.ID (ask.track))
			if not route:isnil () and not route:to_track ():isnil () then return route:to_track () end
		end
		local master = Session:master_out ()
		local outputs = master:isnil () and ask.channels or master:n_inputs ():n_audio ()
		local is_new, none = pcall (function () return ARDOUR.RouteGroup () end) -- Ardour 7 and 8 take nil for none
		return Session:new_audio_track (ask.channels, outputs, is_new and none or nil, 1, name,
			ARDOUR.PresentationInfo.max_order, ARDOUR.TrackMode.Normal, true):front ()
	end

	local function ids_on (playlist)
		local ids = {}
		for region in playlist:region_list ():iter () do ids[region:to_stateful ():id ():to_s ()] = true end
		return ids
	end

	-- What comes onto a track moves nothing, in whichever edit mode.
	local function without_ripple (run)
		local config = ARDOUR.config ()
		local mode = config:get_edit_mode ()
		if mode == ARDOUR.EditMode.Ripple then config:set_edit_mode (ARDOUR.EditMode.Slide) end
		run ()
		if mode == ARDOUR.EditMode.Ripple then config:set_edit_mode (mode) end
	end

	local function bring_back (ask, path)
		local name = (ask.name:gsub (" restored$", "")) .. " restored"
		local track = track_for (ask, name)
		local before, files = ids_on (track:playlist ()), C.StringVector ()
		files:push_back (path)
		without_ripple (function () -- ImportDistinctFiles would take the selected track instead
			Editor:do_import (files, Editing.ImportSerializeFiles, Editing.ImportToTrack, ARDOUR.SrcQuality.SrcBest,
				ARDOUR.MidiTrackNameSource.SMFTrackName, ARDOUR.MidiTempoMapDisposition.SMFTempoIgnore,
				Temporal.timepos_t (ask.position), ARDOUR.PluginInfo (), track, false)
		end)
		local origin = ARDOUR.RegionFactory.region_by_id (PBD.ID (ask.region))
		for take in track:playlist ():region_list ():iter () do
			if not before[take:to_stateful ():id ():to_s ()] then
				take:set_name (name)
				if not origin:isnil () and not origin:to_audioregion ():isnil () then
					take:to_audioregion ():set_scale_amplitude (origin:to_audioregion ():scale_amplitude ())
				end
				return
			end
		end
		error ("Ardour did not import it", 0)
	end

	local function run ()
		if Session:actively_recording () then return is_quiet or say ("Not while recording.") end
		local news, count = {}, 0
		for _, ask in ipairs (pending ()) do
			local address, _, _, first, second = table.unpack (lines_of (ask.receipt))
			if address == "/audiosr/done" then
				forget (ask) -- first: an import keeps other scripts and timers running
				count = count + 1
				local fine, fault = pcall (bring_back, ask, first)
				if not fine then
					local text = "%s is finished, but could not be brought back: %s\n%s"
					news[#news + 1] = text:format (ask.name, fault, first)
				end
			elseif address == "/audiosr/error" then
				forget (ask)
				news[#news + 1] = ask.name .. ": " .. (first or "no reason was given")
			elseif not is_quiet and address then
				news[#news + 1] = ("%s: %d %%"):format (ask.name, math.floor (100 * (tonumber (first) or 0)))
			elseif not is_quiet then
				forget (ask)
				news[#news + 1] = ask.name .. " is not known any more; it was taken off the list."
			end
		end
		if count == 0 and #news == 0 and not is_quiet then news[1] = "Nothing is on its way." end
		if #news > 0 then say (table.concat (news, "\n")) end
	end

	local fine, fault = pcall (run) -- an action that raises an error is taken off its slot
	if not fine and is_quiet then error (fault, 0) end -- which the hook tells, once
	if not fine then say ("This script has a fault: " .. tostring (fault)) end
end end
