ardour {
	["type"] = "EditorAction",
	name = "AudioSR: import",
	author = "audiosr_fx",
	license = "GPL-3.0-or-later",
	description = [[Brings back what "AudioSR: restore" has asked for and is finished: each take at the very sample of its region, on the same track as a new layer or on a new track. One step to undo.]]
}

function factory (params) return function ()
	local is_quiet = params and params["quiet"] -- so the hook calls it, once a second
	local TICKS_PER_S = 282240000 -- of Ardour's superclock
	-- A session keeps the points of a fade, not the name of its shape: the level in its middle tells.
	local HALFWAY = {
		FadeLinear = 0.5, FadeConstantPower = 0.707, FadeSymmetric = 0.6, FadeSlow = 0.097, FadeFast = 0.032,
	}
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

	-- Length in samples and shape of a fade, which scripts can set but not read, by the saved session.
	local function read_fade (region, kind)
		local points = {}
		for x, y in (region:match ("<" .. kind .. ">(.-)</" .. kind .. ">") or ""):gmatch ("a(%d+) ([^%s<]+)") do
			points[#points + 1] = { x = tonumber (x), y = tonumber (y) }
		end
		local last = points[#points]
		if not last or last.x == 0 then return nil end
		local half, shape = nil, "FadeLinear"
		for i = 2, #points do
			local one, other = points[i - 1], points[i]
			if not half and 2 * other.x >= last.x then
				half = one.y + (other.y - one.y) * (last.x / 2 - one.x) / (other.x - one.x)
			end
		end
		for name, level in pairs (HALFWAY) do
			if math.abs (half - level) < math.abs (half - HALFWAY[shape]) then shape = name end
		end
		return math.floor (last.x * Session:nominal_sample_rate () / TICKS_PER_S + 0.5), ARDOUR.FadeShape[shape]
	end

	local function saved_region (id)
		local path = ARDOUR.LuaAPI.build_filename (Session:path (), Session:snap_name () .. ".ardour")
		local text = table.concat (lines_of (path), "\n")
		for attributes, content in text:gmatch ("<Region ([^>]*[^/>])>(.-)</Region>") do
			if attributes:match (" id=\"(%d+)\"") == id then return content end
		end
	end

	-- Gain and, where a take begins or ends with its region, that fade.
	local function dress (take, ask)
		local origin = ARDOUR.RegionFactory.region_by_id (PBD.ID (ask.region))
		if origin:isnil () or origin:to_audioregion ():isnil () then return end
		local from, to = origin:to_audioregion (), take:to_audioregion ()
		to:set_scale_amplitude (from:scale_amplitude ())
		local first, past = origin:position ():samples (), take:position ():samples () + take:length ():samples ()
		local begins = take:position ():samples () == first
		local ends = past == first + origin:length ():samples ()
		local saved = (begins or ends) and saved_region (ask.region) or "" -- where it was never saved
		if begins then
			local length, shape = read_fade (saved, "FadeIn")
			if length then to:set_fade_in_shape (shape) to:set_fade_in_length (length) end
			to:set_fade_in_active (from:fade_in_active ())
		end
		if ends then
			local length, shape = read_fade (saved, "FadeOut")
			if length then to:set_fade_out_shape (shape) to:set_fade_out_length (length) end
			to:set_fade_out_active (from:fade_out_active ())
		end
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
		for take in track:playlist ():region_list ():iter () do
			if not before[take:to_stateful ():id ():to_s ()] then
				take:set_name (name)
				return dress (take, ask)
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
