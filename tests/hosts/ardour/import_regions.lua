-- The files on the tracks that bear their names, trimmed and moved: what a session looks like after some work.
local WANTED = {
	{ track = "Stereo", position = 100003, start = 50021, length = 96001, gain = 0.5,
		fade_in = "FadeSlow", fade_out = "FadeSymmetric", fades_out = true },
	{ track = "Mono", position = 70001, start = 30011, length = 72003, gain = 1,
		fade_in = "FadeConstantPower", fade_out = "FadeFast", fades_out = false },
}

for _, wanted in ipairs (WANTED) do
	local files, track = C.StringVector (), Session:route_by_name (wanted.track):to_track ()
	files:push_back (Session:path () .. "/" .. wanted.track .. " take.wav")
	Editor:do_import (files, Editing.ImportSerializeFiles, Editing.ImportToTrack, ARDOUR.SrcQuality.SrcBest,
		ARDOUR.MidiTrackNameSource.SMFTrackName, ARDOUR.MidiTempoMapDisposition.SMFTempoIgnore,
		Temporal.timepos_t (0), ARDOUR.PluginInfo (), track, false)
	for region in track:playlist ():region_list ():iter () do
		region:cut_front (Temporal.timepos_t (wanted.start))
		region:set_length (Temporal.timecnt_t (wanted.length))
		region:set_position (Temporal.timepos_t (wanted.position))
		local audio = region:to_audioregion ()
		audio:set_scale_amplitude (wanted.gain)
		audio:set_fade_in_shape (ARDOUR.FadeShape[wanted.fade_in])
		audio:set_fade_in_length (4801)
		audio:set_fade_out_shape (ARDOUR.FadeShape[wanted.fade_out])
		audio:set_fade_out_length (7203)
		audio:set_fade_out_active (wanted.fades_out)
	end
end
