// The words of scripts, in both languages. What the server says in English sentences is translated
// here as well; a sentence that is not here is shown as it is.

const ENGLISH = {
  day: "Day",
  unreached: "The server cannot be reached.",
  unknownKey: "This key is not at the table. It joins with its first successful call.",
  notAKey: "That is not a Gemini API key by its form.",
  saved: "Saved.",
  withdrawn: "Your key is withdrawn and erased.",
  forgotten: "This tab has forgotten the key.",
  rejoin: "Join again",
  mayRejoin: "Your key joins again with its next successful call.",
  badNumber: "The calls a day are a whole number, or nothing.",
  anyModel: "all models",
  names: (id, joined) => `Known here as ${id}, since ${joined}.`,
  since: (moment) => ` Since ${moment}.`,
  lentCalls: "Calls lent",
  borrowedCalls: "Calls borrowed",
  ownCalls: "Own calls",
  notServed: "Not served",
  state: {
    active: "Your key serves",
    resting: "Your key rests",
    held: "Your key is being checked",
    paused: "Your key is paused",
    disabled: "Your key is out of service",
    withdrawn: "Your key is withdrawn",
    unknown: "Your key may join again",
  },
  restsForSome: "It serves; some models rest, as told below.",
  serves: "It serves whatever the pool is asked for.",
  signIn: { wrong: "That is not the admin token.", wait: "Too many wrong tokens: wait a minute.",
    insecure: "Your browser keeps no session here: open this page over https, or on this machine." },
  word: { active: "active", resting: "resting", held: "held", paused: "paused",
    disabled: "disabled", attempt: "attempt", rest: "rests", out: "out", back: "back",
    added: "added", known: "known before", withdrawn: "withdrawn", full: "pool is full", bad: "bad",
    failed: "could not be written: send it again", good: "good", expired: "expired", used: "used up" },
  alarm: { raised: "stands", cleared: "is over", told: "" },
  revoke: "Revoke",
  limit: { requests_per_minute: "requests/min", requests_per_day: "requests/day",
    tokens_per_minute: "tokens/min", tokens_per_day: "tokens/day" },
  select: (id) => `Select ${id}`,
  selected: (n) => `${n} selected`,
  shown: (n, more) => (more ? `${n} shown, there are more` : `${n} shown`),
  done: (done, unknown) => (unknown ? `${done} changed, ${unknown} unknown.` : `${done} changed.`),
  sure: { disable: (n) => `Take ${n} keys out of service?`, erase: (n) => `Erase ${n} keys?`,
    revoke: (name) => `Revoke “${name}”?` },
  sent: (done, all) => `${done} of ${all} lines`,
  report: (r) => `${r.added} added, ${r.known} known before, ${r.withdrawn} withdrawn, ` +
    `${r.full} without room, ${r.bad} bad${r.failed === "0" ? "" : `, ${r.failed} not written`}`,
  line: "line",
  notTaken: (n) => `${n} lines were not taken`,
  nothing: "Nothing yet.",
};

const CHINESE = {
  day: "日期",
  unreached: "连不上服务器。",
  unknownKey: "这把密钥不在桌上。它会在第一次成功调用时加入。",
  notAKey: "从形式上看，这不是 Gemini API 密钥。",
  saved: "已保存。",
  withdrawn: "您的密钥已撤回并抹去。",
  forgotten: "这个标签页已忘掉密钥。",
  rejoin: "重新加入",
  mayRejoin: "您的密钥会在下一次成功调用时重新加入。",
  badNumber: "每天的调用数是一个整数，或者留空。",
  anyModel: "所有模型",
  names: (id, joined) => `在这里名为 ${id}，加入于 ${joined}。`,
  since: (moment) => `自 ${moment} 起。`,
  lentCalls: "借出调用",
  borrowedCalls: "借入调用",
  ownCalls: "自己的调用",
  notServed: "未完成",
  of: { attempts: "尝试", refusals: "拒绝", cooldowns: "休息" },
  state: {
    active: "您的密钥正在服务",
    resting: "您的密钥正在休息",
    held: "您的密钥正在核查",
    paused: "您的密钥已暂停",
    disabled: "您的密钥已停用",
    withdrawn: "您的密钥已撤回",
    unknown: "您的密钥可以重新加入",
  },
  restsForSome: "它在服务；有些模型正在休息，见下表。",
  serves: "池子要什么，它就服务什么。",
  signIn: { wrong: "这不是管理令牌。", wait: "错误的令牌太多：请等一分钟。",
    insecure: "浏览器在这里不保存会话：请用 https 打开本页，或在本机打开。" },
  word: { active: "服务中", resting: "休息", held: "核查中", paused: "已暂停",
    disabled: "已停用", attempt: "尝试", rest: "休息", out: "停用", back: "恢复",
    added: "已加入", known: "原已在桌", withdrawn: "已撤回", full: "池子已满", bad: "无效",
    failed: "没能写下：请再发一次", good: "有效", expired: "已过期", used: "已用完" },
  alarm: { raised: "持续中", cleared: "已解除", told: "" },
  revoke: "撤销",
  limit: { requests_per_minute: "请求/分", requests_per_day: "请求/日",
    tokens_per_minute: "词元/分", tokens_per_day: "词元/日" },
  select: (id) => `选择 ${id}`,
  selected: (n) => `已选 ${n} 个`,
  shown: (n, more) => (more ? `显示 ${n} 个，还有更多` : `显示 ${n} 个`),
  done: (done, unknown) => (unknown ? `已更改 ${done} 个，${unknown} 个未知。` : `已更改 ${done} 个。`),
  sure: { disable: (n) => `停用 ${n} 把密钥？`, erase: (n) => `抹去 ${n} 把密钥？`,
    revoke: (name) => `撤销“${name}”？` },
  sent: (done, all) => `${all} 行中的 ${done} 行`,
  report: (r) => `加入 ${r.added}，原已在桌 ${r.known}，已撤回 ${r.withdrawn}，` +
    `没有位置 ${r.full}，无效 ${r.bad}${r.failed === "0" ? "" : `，没能写下 ${r.failed}`}`,
  line: "行",
  notTaken: (n) => `${n} 行没有收下`,
  nothing: "还没有。",
};

/** Sentences of the server's. */
const SENTENCES = {
  "Google says that the key is invalid, expired or deleted": "Google 说这把密钥无效、已过期或已删除",
  "Google has suspended the key's project": "Google 暂停了这把密钥的项目",
  "Google refuses the key as a credential": "Google 不接受这把密钥作为凭据",
  "Google holds the key for leaked": "Google 认为这把密钥已泄露",
  "Google has denied the key's project access": "Google 拒绝这把密钥的项目访问",
  "the Gemini API is not enabled in the key's project": "这把密钥的项目没有启用 Gemini API",
  "the key's restrictions do not admit calls from here": "这把密钥的限制不允许从这里调用",
  "the key's project is disabled or has no billing": "这把密钥的项目已停用或没有结算账号",
  "the operator has taken the key out of service": "管理员停用了这把密钥",
  "this minute's quota is spent": "这一分钟的额度已用完",
  "today's quota is spent": "今天的额度已用完",
  "Google says a quota is spent, without naming it": "Google 说某项额度已用完，没有说是哪项",
  "Google does not offer this model to the key's project": "Google 不向这把密钥的项目提供这个模型",
  "the key's project has no quota for this model": "这把密钥的项目没有这个模型的额度",
  "Google wants the key's project to be paid for": "Google 要求为这把密钥的项目付费",
  "Google refused the key here; it is being checked": "Google 在此拒绝了这把密钥；正在核查",
  "you paused it: it serves your own calls only": "您暂停了它：它只服务您自己的调用",
  "many keys were refused at once; whether this one is good is being found out":
    "许多密钥同时被拒；正在查明这一把是否完好",
  "Withdrawn by its contributor. Calls are served with this key only; PATCH {\"paused\": false} joins again.":
    "已由贡献者撤回。调用只用这把密钥；可在下面重新加入。",
  "few of the keys can serve: most rest or are out of service": "能服务的密钥很少：大多在休息或已停用",
  "Google refuses the place we call from; no key is to blame": "Google 拒绝我们所在的地区；不是哪把密钥的错",
  "many keys are refused at once; they are held until a probe decides":
    "许多密钥同时被拒；它们先被留下，等探测来判定",
  "the data cannot be written: new keys do not outlive a restart": "数据写不下去：新密钥在重启后不会留下",
  "a key is out of service": "一把密钥已停用",
  "not a Gemini API key by its form": "从形式上看不是 Gemini API 密钥",
  "the same key stands above": "同一把密钥已在上面出现",
};

/** Names that numbers go by. */
const NAMES = {
  served: "完成", "caller-fault": "调用方的错", "permission-unclear": "权限不明", "thought-signature": "思维签名",
  "key-dead": "密钥已死", "perhaps-dead": "密钥或已死", "model-closed": "模型不对它开放", "limit-zero": "额度为零",
  "minute-quota": "分钟额度", "day-quota": "日额度", "unnamed-quota": "未指明的额度", billing: "结算",
  "prompt-too-large": "提示太大", "upstream-trouble": "上游故障", "our-place": "所在地区",
  minute: "分钟额度", day: "日额度", unnamed: "未指明的额度", closed: "不开放", doubt: "待核查",
  "no-key": "没有密钥", uninvited: "没有邀请", "key-refused": "密钥被拒", "too-many-refused": "被拒的太多",
  resting: "都在休息", reserved: "为贡献者保留", spent: "额度用尽", "too-large": "提示太大",
  "keys-failed": "密钥失败", "no-answer": "没有回答",
};

const chinese = document.documentElement.lang.startsWith("zh");
export const language = document.documentElement.lang;
export const words = chinese ? CHINESE : ENGLISH;

/** What a count is called, in the page's language. */
export const named = (name) => (chinese && NAMES[name]) || name.replaceAll(/[-_]/g, " ");

/** A sentence of the server's, in the page's language; in English with a capital and a full stop. */
export function sentence(text) {
  if (!text) return "";
  if (chinese) return SENTENCES[text] ?? text;
  return `${text[0].toUpperCase()}${text.slice(1)}${/[.!?]$/.test(text) ? "" : "."}`;
}
