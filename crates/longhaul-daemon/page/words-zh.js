// 中文。键与英文表相同，由测试保证。

/** @type {Record<keyof typeof import("./words-en.js").en, string>} */
export const zh = {
  "view.all": "全部", "view.running": "进行中", "view.waiting": "等待中", "view.held": "已暂停", "view.needs": "需要处理",
  "view.failed": "失败", "view.done": "已完成", "view.cancelled": "已取消",
  "state.queued": "排队中", "state.held": "已暂停", "state.running": "正在开始", "state.stopping": "正在停止",
  "state.later": "等待中", "state.needs": "需要处理", "state.failed": "失败", "state.done": "已完成", "state.cancelled": "已取消",
  views: "视图", lanes: "队列", actions: "操作", rates: "速度",

  "need.link": "链接已过期：请粘贴新链接", "need.headers": "需要重新提供请求头", "need.keys": "需要存储的密钥",
  "need.decision": "目标位置有另一个文件：请决定",
  "why.network": "网络中断", "why.busy": "服务器繁忙", "why.not_found": "服务器上找不到",
  "why.in_use": "另一个进程正在处理", "why.space": "磁盘空间不足", "why.unconfirmed": "存储尚未确认",
  "why.space_bytes": "磁盘空间不足：还需 {bytes}",
  "kind.internal": "longhaul 内部错误", again: "{why}，{when}重试",
  gave_up: "重新开始，放弃了 {bytes}：{why}", tries_again: "{why}，{n} 秒后重试", damaged: "正在重新下载 {n} 处损坏",
  limited: "服务器只允许 {n} 个连接",
  "verified.length_only": "仅长度", "verified.answer_only": "仅应答", "verified.nothing": "未校验",
  verified_by: "已通过 {by} 校验", verified_weakly: "没有摘要或标识可供校验",

  add: "添加", add_n: "添加 {n} 个", hold: "暂停", release: "继续", retry: "重试", retry_now: "立即重试", now: "立即开始",
  remove: "移除", to_top: "移到顶部", to_bottom: "移到底部", paste_link: "粘贴新链接", decide: "决定", free_space: "释放空间",
  cancel: "取消", close: "关闭", save: "保存", go_on: "继续", more: "更多", select: "选择 {name}", help: "帮助",

  seconds: "{n} 秒", minutes: "{n} 分钟", hours: "{n} 小时 {m} 分", days: "{n} 天 {h} 小时", in: "{time}后", at: "{time} ",
  of: "{part} / {whole}", percent: "{n}%", rate_left: "{rate} · 剩余 {left}", progress_unknown: "长度未知",
  bar_title: "{durable} 已安全保存，{received} 已传输", to: "到 {host}", nth: "第 {n} 位",
  n_entries: "{n} 个任务", n_selected: "已选 {n} 个 · {bytes}", and_more: "以及另外 {n} 个",

  search: "搜索", loading: "请稍候…", empty: "列表为空。按 n 或“添加”，粘贴链接，或把链接拖到页面上。", none_match: "没有匹配的任务。",
  lost: "连接已断开。列表停留在最后一次看到的状态，正在重试…", found_again: "已重新连接。",
  no_answer: "守护进程没有应答。", status: "守护进程返回状态 {status}。",

  links: "链接", links_placeholder: "每行一个链接：https://…、oss://bucket/key、s3://bucket/key", or_files: "或将链接列表、Metalink 文件拖到这里，或",
  choose_files: "选择文件", asking: "正在查询…", size_unknown: "大小未知", resumable: "可续传", not_resumable: "不可续传",
  folder: "文件夹", default_folder: "下载文件夹", lane: "队列", save_as: "另存为", name_by_server: "由服务器决定", checksum: "校验值",
  limit: "限速", no_limit: "不限", connections: "连接数", automatic: "自动", existing: "如果已有其他文件",
  "existing.ask": "询问", "existing.rename": "改用其他名称", "existing.overwrite": "替换", headers: "请求头，每行一个",
  add_held: "暂停", add_top: "放到列表顶部", bad_rate: "限速为带 k、M 或 G 的数字，例如 2M 或 500k；留空表示不限。",
  added_n: "已添加 {n} 个。", already_n: "{n} 个已在列表中。", refused_n: "{n} 个未添加：{why}", file_too_long: "{name} 太大，不是链接列表。", metalink_empty: "{name} 中没有可下载的文件。",
  unwritten: "列表无法写入，更改不会生效：{why}",

  remove_what: "移除 {what}？", files_of_it: "文件", "remove.partial": "删除未完成的部分", "remove.partial_why": "已完成的文件会保留。",
  "remove.keep": "保留所有文件", "remove.keep_why": "已有的部分以后可以继续。", "remove.keep_done": "只从列表中移除。",
  "remove.all": "同时删除已完成的文件", "remove.all_why": "无法恢复。",
  link_promise: "已有的 {bytes} 会保留。只有能证明是同一个文件时才会与新链接的内容拼接。", new_link: "新链接",
  what_now: "怎么办？", "decide.rename": "改用其他名称", "decide.rename_why": "两个文件都保留。", "decide.overwrite": "替换该文件",
  "decide.overwrite_why": "下载完整之后才替换。", "decide.restart": "重新开始", "decide.restart_why": "放弃 {bytes}。",
  "decide.forget": "从列表中移除", "decide.forget_why": "不删除任何文件。",
  space_needed: "还需要 {bytes}。", space_offer: "可以删除这些已完成的下载：", space_none: "列表中没有可以删除的下载。请在别处腾出空间，然后：",
  delete_files: "删除并重试",

  pieces: "分块", no_map: "还没有分块信息。", map_legend: "深色：已安全保存。浅色：已接收。琥珀色：传输中。红色：损坏。",
  map_label: "{n} 块中已有 {held} 块，{flight} 块传输中，{damaged} 块损坏", speed: "速度（两分钟）", graph_label: "当前 {now}，最高 {most}",
  n_connections: "{n} 个连接 · {rate}", explain: "已有什么，下一步是什么", events: "事件", options: "选项", from: "来源", into: "目标",
  state: "状态", durable: "安全", received: "已接收", acknowledged: "已存储", sent: "已发送", tags: "标签", added: "添加时间", ended: "结束时间", runs: "运行次数",
  nothing_known: "还没有任何信息。", nothing_yet: "还没有事件。", yes: "是", no: "否", saved: "已保存。",
  "event.started": "已开始", "event.resumed": "已续传", "event.retry": "重试", "event.restarted": "重新开始", "event.done": "已完成", "event.failed": "失败",
  "event.paused": "已暂停", "event.verified": "已校验", "event.warning": "警告", "event.limited": "连接减少", "event.damaged": "损坏",
  "event.needs_link": "链接过期", "event.progress": "进度",

  settings: "设置", at_once: "并发", most: "同时传输", most_short: "并发", most_of_host: "每个服务器", connections_each: "每个任务的连接数",
  limits: "限速", limit_down: "全部下载", limit_up: "全部上传", limit_each: "每个任务", name: "名称", timetable: "时间表", always: "总是",
  new_lane: "新建队列", timetable_help: "时间表规定队列何时以多快运行：Mon-Fri 08:00,1M 18:00,off 23:00,stop。off 为不限速，stop 为停止。",
  spare: "保留空间（GiB）", patience: "多少天没有进展后放弃", history: "保留的已完成任务数", user_agent: "User-Agent",
  this_browser: "此浏览器", notify: "完成、失败或需要处理时通知我", language: "语言",
  "tell.done": "已完成。", "tell.failed": "失败。", "tell.needs": "需要处理。",

  login_how: "此浏览器尚未登录。在守护进程所在的机器上运行下面的命令即可打开页面：", login_token: "或粘贴令牌", log_in: "登录",
  code_over: "此链接中的代码已使用或已过期。请重新打开页面。", token_wrong: "令牌无效。",

  "key.add": "添加链接", "key.send": "在添加框中：确认添加", "key.search": "搜索", "key.walk": "在列表中移动", "key.extend": "选择一段", "key.all": "全选",
  "key.open": "打开详情", "key.toggle": "暂停或继续", "key.retry": "重试", "key.move": "上移或下移", "key.ends": "移到顶部或底部",
  "key.remove": "移除", "key.close": "关闭、清除选择", "key.help": "显示帮助",
  help_mouse: "拖动一行可移动它。按住 Ctrl 或 Shift 单击，或单击行首图标，可选择多行。",
  help_bar: "进度条深色部分即使断电也不会丢失；浅色部分已接收，马上就会安全。",
};
