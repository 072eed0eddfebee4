// The page in English. The table of Chinese has the same keys; the tests hold one against the other.

export const en = {
  // Views and states.
  "view.all": "All", "view.running": "Running", "view.waiting": "Waiting", "view.held": "Held", "view.needs": "Needs you",
  "view.failed": "Failed", "view.done": "Done", "view.cancelled": "Cancelled",
  "state.queued": "waiting for its turn", "state.held": "held", "state.running": "starting", "state.stopping": "stopping",
  "state.later": "waiting", "state.needs": "needs you", "state.failed": "failed", "state.done": "done", "state.cancelled": "cancelled",
  views: "Views", lanes: "Lanes", actions: "Actions", rates: "Rates",

  // Reasons.
  "need.link": "The link has expired: paste a fresh one", "need.headers": "Needs its headers again", "need.keys": "Needs keys of the store",
  "need.decision": "Another file is in the way: you decide",
  "why.network": "Network lost", "why.busy": "Server busy", "why.not_found": "Not found on the server",
  "why.in_use": "Another process works on it", "why.space": "Not enough room on the disk", "why.unconfirmed": "The store has not confirmed it yet",
  "why.space_bytes": "Not enough room on the disk: {bytes} still to come",
  "kind.internal": "An error of longhaul's own", again: "{why}, again {when}",
  gave_up: "Begun anew, {bytes} given up: {why}", tries_again: "{why}, again in {n} s", damaged: "{n} damaged pieces are fetched again",
  limited: "The server allows {n} connections",
  "verified.length_only": "length only", "verified.answer_only": "answer only", "verified.nothing": "not verified",
  verified_by: "Verified by {by}", verified_weakly: "No digest or validator stands behind it",

  // Actions.
  add: "Add", add_n: "Add {n}", hold: "Hold", release: "Release", retry: "Retry", retry_now: "Retry now", now: "Start now",
  remove: "Remove", to_top: "To the top", to_bottom: "To the bottom", paste_link: "Paste a fresh link", decide: "Decide", free_space: "Free space",
  cancel: "Cancel", close: "Close", save: "Save", go_on: "Go on", more: "More", select: "Select {name}", help: "Help",

  // Amounts and times.
  seconds: "{n} s", minutes: "{n} min", hours: "{n} h {m} min", days: "{n} d {h} h", in: "in {time}", at: "at {time}",
  of: "{part} of {whole}", percent: "{n} %", rate_left: "{rate} · {left} left", progress_unknown: "Length not known",
  bar_title: "{durable} safe on the disk or in the store, {received} moved", to: "to {host}", nth: "place {n}",
  n_entries: "{n} entries", n_selected: "{n} selected · {bytes}", and_more: "and {n} more",

  // The list.
  search: "Search", loading: "One moment …", empty: "Nothing here yet. Press n or Add, paste links, or drop them anywhere.", none_match: "Nothing matches.",
  lost: "Connection lost. The list is as it was last seen; trying again …", found_again: "Connected again.",
  no_answer: "The daemon does not answer.", status: "The daemon answered with status {status}.",

  // The box that adds.
  links: "Links", links_placeholder: "One link a line: https://…, oss://bucket/key, s3://bucket/key", or_files: "Or drop files of links or Metalinks here, or",
  choose_files: "choose files", asking: "asking …", size_unknown: "size unknown", resumable: "resumable", not_resumable: "not resumable",
  folder: "Folder", default_folder: "Folder for downloads", lane: "Lane", save_as: "Save as", name_by_server: "as the server says", checksum: "Checksum",
  limit: "Limit", no_limit: "no limit", connections: "Connections", automatic: "automatic", existing: "If another file is there",
  "existing.ask": "ask", "existing.rename": "take another name", "existing.overwrite": "replace it", headers: "Headers, one a line",
  add_held: "Hold", add_top: "At the top of the list", bad_rate: "A limit is a number with k, M or G, such as 2M or 500k; empty for none.",
  added_n: "{n} added.", already_n: "{n} were there already.", refused_n: "{n} were not added: {why}", file_too_long: "{name} is too long for a list of links.", metalink_empty: "{name} names no file that can be fetched.",
  unwritten: "The list cannot be written, so no change is taken: {why}",

  // Questions.
  remove_what: "Remove {what}?", files_of_it: "Its files", "remove.partial": "Delete what is unfinished", "remove.partial_why": "A finished file stays.",
  "remove.keep": "Keep all files", "remove.keep_why": "What is there can be gone on with later.", "remove.keep_done": "It only leaves the list.",
  "remove.all": "Delete finished files too", "remove.all_why": "They cannot be brought back.",
  link_promise: "The {bytes} that are here stay. They are joined with the new link's only if it is provably the same file.", new_link: "New link",
  what_now: "What now?", "decide.rename": "Take another name", "decide.rename_why": "Both files stay.", "decide.overwrite": "Replace the file",
  "decide.overwrite_why": "Only when the download is whole.", "decide.restart": "Begin anew", "decide.restart_why": "{bytes} are given up.",
  "decide.forget": "Take it out of the list", "decide.forget_why": "Nothing is deleted.",
  space_needed: "{bytes} more are needed.", space_offer: "These finished downloads could go:", space_none: "No finished download is in the list that could go. Make room elsewhere, then:",
  delete_files: "Delete and retry",

  // Details.
  pieces: "Pieces", no_map: "No pieces are known of it yet.", map_legend: "Full: safe. Lighter: received. Amber: on its way. Red: damaged.",
  map_label: "{held} of {n} pieces are here, {flight} on their way, {damaged} damaged", speed: "Speed, two minutes", graph_label: "Now {now}, at most {most}",
  n_connections: "{n} connections · {rate}", explain: "What is held, and what comes next", events: "Events", options: "Options", from: "From", into: "To",
  state: "State", durable: "Safe", received: "Received", acknowledged: "Stored", sent: "Sent", tags: "Tags", added: "Added", ended: "Ended", runs: "Runs",
  nothing_known: "Nothing is known of it yet.", nothing_yet: "Nothing happened yet.", yes: "yes", no: "no", saved: "Saved.",
  "event.started": "started", "event.resumed": "resumed", "event.retry": "retry", "event.restarted": "begun anew", "event.done": "done", "event.failed": "failed",
  "event.paused": "held", "event.verified": "verified", "event.warning": "warning", "event.limited": "fewer connections", "event.damaged": "damaged",
  "event.needs_link": "link expired", "event.progress": "progress",

  // Settings.
  settings: "Settings", at_once: "At once", most: "Transfers", most_short: "At once", most_of_host: "Of one server", connections_each: "Connections each",
  limits: "Limits", limit_down: "All downloads", limit_up: "All uploads", limit_each: "Each transfer", name: "Name", timetable: "Timetable", always: "always",
  new_lane: "New lane", timetable_help: "A timetable says how fast a lane may run and when: Mon-Fri 08:00,1M 18:00,off 23:00,stop. ‘off’ is no limit, ‘stop’ lets nothing run.",
  spare: "Keep free, GiB", patience: "Give up after days without a byte", history: "Finished entries to keep", user_agent: "User-Agent",
  this_browser: "This browser", notify: "Tell me when something is done, failed or needs me", language: "Language",
  "tell.done": "Done.", "tell.failed": "Failed.", "tell.needs": "Needs you.",

  // Login.
  login_how: "This browser is not known here. On the machine of the daemon, this opens the page:", login_token: "Or paste a token", log_in: "Log in",
  code_over: "The code of this link has been used or is too old. Open the page anew.", token_wrong: "This token is not known here.",

  // Keys.
  "key.add": "Add links", "key.send": "In the box: add them", "key.search": "Search", "key.walk": "Walk through the list", "key.extend": "Select a stretch", "key.all": "Select all",
  "key.open": "Open details", "key.toggle": "Hold or release", "key.retry": "Retry", "key.move": "Move up or down", "key.ends": "Move to the top or bottom",
  "key.remove": "Remove", "key.close": "Close, clear the selection", "key.help": "This help",
  help_mouse: "Drag a row to move it. Click with Ctrl or Shift, or on the picture at its beginning, to select several.",
  help_bar: "The full part of a bar is safe even against a power cut; the lighter part is received and will be in a moment.",
};
