// The page: two phones, a bar and a timeline around one local WeCom.

import { get, part, watch } from "./api.js";
import { customerPhone } from "./customer.js";
import { calm } from "./dom.js";
import { staffPhone } from "./staff.js";
import { keep, recall } from "./store.js";
import { barTime, chosenLanguage, language, loadTexts, t } from "./texts.js";
import { timelinePanel, topBar } from "./timeline.js";
import { report, toast } from "./toast.js";

/** Who plays, in this tab of the browser. */
class Session {
  #offset = 0;

  constructor() {
    const kept = JSON.parse(recall("sessionStorage", "players") || "{}");
    this.customer = kept.customer || "";
    this.customerName = kept.customerName || "";
    this.userid = kept.userid || "";
    this.staffName = kept.staffName || "";
    /** The pair that was made here last: its tags are the bot's. */
    this.added = kept.added || "";
  }

  setCustomer(externalUserid, name) {
    this.customer = externalUserid;
    this.customerName = name;
    this.#keep();
  }

  setStaff(userid, name) {
    this.userid = userid;
    this.staffName = name;
    this.#keep();
  }

  setAdded(userid, externalUserid) {
    this.added = `${userid}|${externalUserid}`;
    this.#keep();
  }

  setClock(timestamp) {
    this.#offset = timestamp - Date.now() / 1000;
  }

  /** The world's time in epoch seconds. */
  now() {
    return Date.now() / 1000 + this.#offset;
  }

  clockText() {
    return barTime(this.now());
  }

  /** Whose phones these are, above them. */
  drawNames() {
    document.getElementById("customer-name").textContent = this.customerName;
    document.getElementById("staff-name").textContent = this.staffName;
  }

  #keep() {
    const { customer, customerName, userid, staffName, added } = this;
    this.drawNames();
    keep("sessionStorage", "players", JSON.stringify({ customer, customerName, userid, staffName, added }));
  }
}

const session = new Session();
const main = document.querySelector("main");
const tabs = [...document.querySelectorAll(".tabs button")];

function show(side) {
  main.dataset.shown = side;
  for (const tab of tabs) {
    tab.setAttribute("aria-pressed", tab.dataset.tab === side ? "true" : "false");
    if (tab.dataset.tab === side) delete tab.dataset.new;
  }
}

function markTab(side) {
  if (main.dataset.shown !== side) tabs.find((tab) => tab.dataset.tab === side).dataset.new = "";
}

async function start() {
  await loadTexts(chosenLanguage());
  session.drawNames();
  for (const tab of tabs) tab.addEventListener("click", () => show(tab.dataset.tab));
  const bar = topBar(session);
  const customer = customerPhone(document.getElementById("customer"), session, onAdded);
  const staff = staffPhone(document.getElementById("staff"), session);
  const timeline = timelinePanel(document.getElementById("timeline"), session);

  async function onAdded(answer) {
    session.setAdded(answer.userid, answer.external_userid);
    await becomeStaff(answer.userid);
    if (answer.outcome === "requested" || answer.outcome === "half") staff.phone.open("customers");
    else staff.openProfile(answer.external_userid);
    markTab("staff");
  }

  async function becomeStaff(userid) {
    if (session.userid === userid) return;
    const { staff: found } = await get("phone/staff", { q: userid, limit: 100 });
    const member = found.find((one) => one.userid === userid);
    session.setStaff(userid, member ? member.name : userid);
  }

  let seen = 0;
  function onChange(change) {
    seen = change.seq;
    customer.phone.refresh(change);
    staff.phone.refresh(change);
    timeline.refresh();
    bar.refresh(change);
    if (change.kind === "app_message.sent" && change.userid === session.userid) {
      staff.phone.mark("inbox");
      markTab("staff");
    }
    if (change.kind === "app_message.sent" && !(change.userid === session.userid && staff.phone.tab === "inbox")) {
      rang = change.userid;
      ringOnce();
    }
    if (change.kind === "follow.changed" && change.userid === session.userid) markTab("staff");
    if (change.kind === "message.sent" && change.external_userid === session.customer) {
      markTab("customer");
      customer.phone.mark("chats");
    }
    if (change.kind === "kf.changed") {
      if (change.external_userid === session.customer) customer.phone.mark("chats");
      if (change.state === 2 || change.servicer === session.userid) staff.phone.mark("kf");
    }
    if (["group_send.handed_out", "group_send.reminded", "moment.handed_out"].includes(change.kind)) lookForTasks();
    if (change.kind === "group_send.confirmed" && session.customer) {
      sentBy.add(change.userid);
      lookForMessages();
    }
    if (change.kind === "world.reset") home().catch(report);
  }

  /** A group-send names no member and no customer, there may be thousands: ask whether it concerns these two. */
  const lookForTasks = calm(() => findTasks().catch(report), 500);
  async function findTasks() {
    if (!session.userid) return;
    const path = `phone/staff/${part(session.userid)}`;
    const [sends, moments] = await Promise.all([get(`${path}/group_sends`, { limit: 1 }), get(`${path}/moments`)]);
    if (!sends.waiting && !moments.waiting) return;
    staff.phone.mark("group_sends");
    markTab("staff");
  }

  const sentBy = new Set();
  const lookForMessages = calm(() => findMessages().catch(report), 500);
  async function findMessages() {
    const { chats } = await get(`phone/customers/${part(session.customer)}`);
    const here = chats.some((chat) => sentBy.has(chat.staff.userid) && chat.last?.origin === "group_send");
    sentBy.clear();
    if (!here) return;
    markTab("customer");
    customer.phone.mark("chats");
  }

  /** A phone rang that is not looked at: offer to look. Of many that ring at once only the last is named. */
  let rang = "";
  const ringOnce = calm(() => ring(rang).catch(report), 1000);
  async function ring(userid) {
    const { staff: found } = await get("phone/staff", { q: userid, limit: 100 });
    const member = found.find((one) => one.userid === userid);
    if (!member) return;
    toast(t("inbox.other", { name: member.name }), t("inbox.look"), () => {
      session.setStaff(member.userid, member.name);
      staff.phone.open("inbox");
      show("staff");
    });
  }

  /** Where the phones stand when the page is opened, or when the company has become another one. */
  async function home() {
    await bar.load();
    if (session.userid) await checkStaff();
    if (!session.userid && bar.state) await becomeStaff(bar.state.first_userid);
    customer.phone.open(session.customer ? "chats" : "scan");
    staff.phone.open("customers");
  }

  await home();
  followHash();
  addEventListener("hashchange", followHash);

  async function checkStaff() {
    const { staff: found } = await get("phone/staff", { q: session.userid, limit: 100 });
    const member = found.find((one) => one.userid === session.userid);
    session.setStaff(member ? member.userid : "", member ? member.name : "");
  }

  /** A channel's QR code leads here: #scan=<config_id>, a link's address: #scan=<link_id>&channel=<customer_channel>. */
  function followHash() {
    const hash = new URLSearchParams(location.hash.slice(1));
    const wanted = hash.get("scan");
    if (!wanted) return;
    history.replaceState(null, "", location.pathname + location.search);
    show("customer");
    customer.offer(wanted, hash.get("channel") || "");
  }

  /** What happened while nobody told us: read all that is shown again. */
  async function catchUp() {
    await bar.load();
    timeline.refresh();
    if (bar.state && bar.state.changes < seen) {
      seen = bar.state.changes; // counted anew: the local WeCom was started again, perhaps with another company
      await home();
    } else {
      customer.phone.refresh();
      staff.phone.refresh();
    }
  }

  let lost = false;
  // What happens between the first reading of all that is shown and the beginning of the stream is told, too.
  watch(bar.state?.changes ?? "", onChange, (stands) => {
    bar.setConnected(stands);
    if (stands && lost) catchUp().catch(report);
    lost = !stands;
  });
  timeline.refresh();

  const switcher = document.getElementById("language");
  function drawSwitcher() {
    const other = language === "zh" ? "en" : "zh";
    switcher.textContent = other === "en" ? "EN" : "中文";
    switcher.lang = other === "en" ? "en" : "zh-CN";
    switcher.setAttribute("aria-label", other === "en" ? "English" : "中文");
  }
  drawSwitcher();
  switcher.addEventListener("click", async () => {
    await loadTexts(language === "zh" ? "en" : "zh");
    drawSwitcher();
    bar.translate();
    timeline.translate();
    customer.phone.open(customer.phone.tab);
    staff.phone.open(staff.phone.tab);
  });
  document.documentElement.dataset.ready = "";
}

addEventListener("pageshow", (event) => event.persisted && location.reload());
start().catch(report);
