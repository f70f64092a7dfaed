// The dashboard is complete without this script. It logs out in place, and
// keeps the list of agents fresh by fetching the same page again.
"use strict";

const refreshMs = 3000;

async function logOut() {
	const answer = await fetch("/_adit/api/auth/logout", { method: "POST" });
	if (answer.ok) location.assign("/_adit/login");
}

function stale(is) {
	document.getElementById("stale").hidden = !is;
}

async function refresh() {
	if (document.hidden) return;
	try {
		const answer = await fetch("/_adit/", {
			headers: { Accept: "text/html" },
			redirect: "manual",
		});
		if (answer.type === "opaqueredirect" || answer.status === 401) {
			location.reload();
			return;
		}
		if (!answer.ok) throw new Error(String(answer.status));
		const page = new DOMParser().parseFromString(
			await answer.text(), "text/html");
		const now = document.getElementById("agents");
		const then = page.getElementById("agents");
		if (then && !now.isEqualNode(then) &&
		    !now.contains(document.activeElement))
			now.replaceWith(document.adoptNode(then));
		stale(false);
	} catch {
		stale(true);
	}
}

document.getElementById("logout")?.addEventListener("click", logOut);
setInterval(refresh, refreshMs);
document.addEventListener("visibilitychange", refresh);
