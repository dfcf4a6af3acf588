// Pages of the desk that are no case: consent, profile, choice of a study, feedback, own answers, words.
const COUNTRIES = "AD AE AF AG AI AL AM AO AR AT AU AW AZ BA BB BD BE BF BG BH BI BJ BM BN BO BR BS BT BW BY BZ CA CD CF CG CH CI CL CM CN CO CR CU CV CY CZ DE DJ DK DM DO DZ EC EE EG ER ES ET FI FJ FR GA GB GD GE GH GM GN GQ GR GT GW GY HK HN HR HT HU ID IE IL IN IQ IR IS IT JM JO JP KE KG KH KI KM KN KP KR KW KZ LA LB LC LI LK LR LS LT LU LV LY MA MC MD ME MG MH MK ML MM MN MO MR MT MU MV MW MX MY MZ NA NE NG NI NL NO NP NR NZ OM PA PE PG PH PK PL PR PS PT PW PY QA RO RS RU RW SA SB SC SD SE SG SI SK SL SM SN SO SR SS ST SV SY SZ TD TG TH TJ TL TM TN TO TR TT TV TW TZ UA UG US UY UZ VA VC VE VN VU WS YE ZA ZM ZW".split(" ");

function sheet(title, ...parts) {
  root.replaceChildren(field("div", { class: "rz-sheet" }, field("h1", { text: title }), ...parts,
    field("p", { class: "rz-status", role: "status", "aria-live": "polite" })));
}
const press = (text, action) => field("button", { type: "button", class: "rz-submit", text, do: action });

function showConsent(value) {
  const box = field("input", { type: "checkbox", id: "rz-agree" });
  sheet(value.title, field("h2", { text: words.consent }), field("div", { class: "rz-consent", tabindex: 0, text: value.text }),
    field("label", { class: "rz-check" }, box, words.consent_agree),
    press(words.consent_go, () => {
      if (!box.checked) { tell(words.consent_need); box.focus(); return; }
      post("/read/consent", { study: value.study, sha256: value.sha256 });
    }));
}
function showProfile(value) {
  const names = new Intl.DisplayNames([root.dataset.language], { type: "region" });
  const countries = COUNTRIES.map((code) => [code, names.of(code)]).sort((a, b) => a[1].localeCompare(b[1], root.dataset.language));
  const form = field("form", { class: "rz-form" },
    value.site ? field("p", { text: `${words.site}: ${value.site}` })
      : labelled(words.site, field("input", { name: "site", maxlength: 64 }), words.site_help),
    labelled(words.country, choice("country", countries, value.country, words.choose)),
    labelled(words.specialty, choice("specialty", value.specialties, value.specialty, words.choose)),
    labelled(words.years, field("input", { name: "years", type: "number", min: 0, max: 80, step: 1, required: true, value: value.years ?? "" })),
    field("button", { type: "submit", class: "rz-submit", text: words.profile_go }));
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    const sent = Object.fromEntries(new FormData(form));
    post("/read/profile", { study: value.study, country: sent.country, specialty: sent.specialty, years: Number(sent.years), site: sent.site ?? "" });
  });
  sheet(value.title, field("h2", { text: words.profile }), field("p", { class: "rz-quiet", text: words.profile_why }), form);
}
function studyList(studies) {
  const list = field("ul", { class: "rz-studies" });
  for (const study of studies)
    list.append(field("li", {},
      field("h2", { text: study.title }), field("p", { class: "rz-quiet", text: `${study.position} · ${study.standing}` }),
      study.open ? press(words.go_on, () => ask(`/read/case?study=${encodeURIComponent(study.study)}`)) : null,
      study.corrections ? field("button", { type: "button", text: words.own_answers, do: () => ask(`/read/answers?study=${encodeURIComponent(study.study)}`) }) : null));
  return list;
}
function showStudies(value) {
  sheet(words.title, studyList(value.studies), ownData());
}
function showMessage(value) {
  root.replaceChildren(field("p", { class: "rz-message", role: "status", text: value.message }),
    value.studies?.length ? field("div", { class: "rz-sheet" }, studyList(value.studies), ownData()) : "");
}
const ownData = () => field("p", {}, field("a", { class: "rz-download", href: "/read/mine.json", text: words.own_data }));
function showFeedback(value) {
  sheet(words.practice, field("p", { class: value.correct ? "rz-good" : "rz-warning", role: "status", text: value.said }),
    field("p", { class: "rz-truth" }, field("strong", { text: `${words.reference} ` }), value.truth),
    press(words.go_on, () => show(value.next)));
  root.querySelector(".rz-submit").focus();
}
function showAnswers(value) {
  const list = field("ol", { class: "rz-answers" });
  for (const own of value.answers)
    list.append(field("li", {},
      field("strong", { text: own.place }),
      field("span", { text: own.answer.ranks.map((r, i) => `${i + 1}. ${r.label}`).join("  ") }),
      field("small", { class: "rz-quiet", text: `${own.submitted_at} UTC · ${words.confidence} ${own.answer.confidence}` }),
      own.correctable ? field("button", { type: "button", text: words.correct,
        do: () => post("/read/correct", { study: value.study, period: own.period, number: own.number }) }) : null));
  sheet(words.own_answers, list, press(words.back, () => ask(`/read/case?study=${encodeURIComponent(value.study)}`)));
}
