// The reading desk: shows what the server says comes next. Every rule is the server's; this only draws and sends.
const PAGES = { case: showCase, consent: showConsent, profile: showProfile, studies: showStudies,
  feedback: showFeedback, answers: showAnswers, message: showMessage };

function show(value) {
  leaveCase();
  leaveCase = () => {};
  PAGES[value.page](value);
  window.scrollTo({ top: 0 });
}
async function ask(address, options) {
  try {
    const reply = await fetch(address, options);
    if (reply.status === 401) { window.location = "/login?next=/read/"; return; }
    const result = await reply.json();
    if (reply.ok) show(result); else tell(result.problem);
  } catch { tell(words.offline); }
}
const post = (address, body) =>
  ask(address, { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(body) });
function tell(problem) {
  const status = root.querySelector(".rz-status");
  if (!status) { root.replaceChildren(field("p", { class: "rz-problem", role: "alert", text: problem })); return; }
  status.textContent = problem;
  const submit = root.querySelector(".rz-answer .rz-submit");
  if (submit) submit.disabled = false;
}
ask("/read/case");
