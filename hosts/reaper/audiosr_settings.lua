-- Asks where audiosr-fx is, which port its server has, and which preset and options renders take.
-- Install it as an action, beside the other files of this folder; see README.md.

local _, script = reaper.get_action_context()
local settings = dofile((script:match("^(.*[/\\])") or "") .. "settings.lua")

local answer = settings.ask()
if type(answer) == "string" then
  reaper.ShowMessageBox(answer, "audiosr_fx", 0)
end
