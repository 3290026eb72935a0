local list = ArdourUI.SelectionList ()
for route in Session:get_tracks ():iter () do
	for region in route:to_track ():playlist ():region_list ():iter () do
		list:push_back (Editor:regionview_from_region (region))
	end
end
Editor:set_selection (list, ArdourUI.SelectionOp.Set)
return Editor:get_selection ().regions:regionlist ():size ()
