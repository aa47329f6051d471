// MQTT.js in a page of headless Chromium: chromium_page.cjs MODULES BROWSER CHAIN URL USER PASSWORD ORIGIN OTHER_ORIGIN.
// The page of ORIGIN publishes and subscribes; that of OTHER_ORIGIN, and a browser that does not know the chain, may not.
"use strict";
const [, , modules, executablePath, chainPath, url, username, password, origin, otherOrigin] = process.argv;
const fs = require("fs");
const crypto = require("crypto");
const assert = require("assert");
const { chromium } = require(modules + "/playwright-core");

// Hashes of the public keys of the server and its issuer: the browser trusts these alone, beside its own store.
function keyHashes(pem) {
	return pem.match(/-----BEGIN CERTIFICATE-----[^]*?-----END CERTIFICATE-----/g).map((text) => {
		const key = new crypto.X509Certificate(text).publicKey.export({ type: "spki", format: "der" });
		return crypto.createHash("sha256").update(key).digest("base64");
	});
}

async function openPage(browser, site) {
	// A site of the network may not reach this machine unless the user says so.
	const page = await browser.newPage({ permissions: ["local-network-access"] });
	// The site exists in the browser alone.
	await page.route("**/*", (route) => route.fulfill({ contentType: "text/html", body: "<title>site</title>" }));
	await page.goto(site + "/");
	await page.addScriptTag({ path: modules + "/mqtt/dist/mqtt.min.js" });
	return page;
}

// Runs in the page: what arrived, or why nothing did.
async function talk([url, username, password]) {
	const options = { username, password, protocolVersion: 5, reconnectPeriod: 0, connectTimeout: 10000 };
	const client = await new Promise((resolve, reject) => {
		const trying = mqtt.connect(url, options);
		trying.on("connect", () => resolve(trying));
		trying.on("error", reject);
		trying.on("close", () => reject(new Error("closed")));
	}).catch((error) => error);
	if (client instanceof Error) return { error: client.message };
	const got = [];
	const sizes = [0, 1, 125, 126, 65535, 65536];
	const heard = new Promise((resolve) =>
		client.on("message", (topic, payload) => {
			got.push([topic, payload.length, payload.every((byte, i) => byte === i % 251)]);
			if (got.length === 3 * sizes.length) resolve();
		})
	);
	await client.subscribeAsync("page/+", { qos: 2 });
	for (const qos of [0, 1, 2])
		for (const size of sizes)
			await client.publishAsync("page/" + qos, Uint8Array.from({ length: size }, (_, i) => i % 251), { qos });
	await heard;
	await client.endAsync();
	return { got, sizes };
}

async function launch(args) {
	return chromium.launch({ executablePath, args });
}

(async () => {
	const trusting = await launch(["--ignore-certificate-errors-spki-list=" + keyHashes(fs.readFileSync(chainPath, "utf8")).join(",")]);
	const { got, sizes, error } = await (await openPage(trusting, origin)).evaluate(talk, [url, username, password]);
	assert.strictEqual(error, undefined);
	const wanted = [0, 1, 2].flatMap((qos) => sizes.map((size) => ["page/" + qos, size, true]));
	assert.deepStrictEqual(got, wanted);
	const other = await (await openPage(trusting, otherOrigin)).evaluate(talk, [url, username, password]);
	assert.ok(other.error, "a page of another origin got in");
	await trusting.close();
	const strict = await launch([]);
	const unknown = await (await openPage(strict, origin)).evaluate(talk, [url, username, password]);
	assert.ok(unknown.error, "a certificate of nobody was trusted");
	await strict.close();
	process.exit(0);
})().catch((error) => {
	console.log(String(error.stack || error).split("\n").slice(0, 6).join(" "));
	process.exit(1);
});
