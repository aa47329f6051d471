// MQTT.js with a certificate, again and again from its last session: mqttjs_again.cjs MODULES URL CA CERTIFICATE KEY.
"use strict";
const [, , modules, url, caPath, certPath, keyPath] = process.argv;
const fs = require("fs");
const assert = require("assert");
const mqtt = require(modules + "/mqtt");

async function visit(session) {
	let newest = session;
	const client = mqtt.connect(url, {
		ca: fs.readFileSync(caPath),
		cert: fs.readFileSync(certPath),
		key: fs.readFileSync(keyPath),
		reconnectPeriod: 0,
		connectTimeout: 10000,
		session,
	});
	client.stream.on("session", (made) => (newest = made));
	await new Promise((resolve, reject) => {
		client.once("connect", resolve);
		client.once("error", reject);
	});
	await client.publishAsync("js/again", "hello", { qos: 1 });
	const resumed = client.stream.isSessionReused();
	await client.endAsync();
	return { resumed, newest };
}

(async () => {
	const first = await visit(undefined);
	assert.strictEqual(first.resumed, false);
	let session = first.newest;
	for (let i = 0; i < 5; i++) {
		const next = await visit(session);
		assert.strictEqual(next.resumed, true, "visit " + i);
		session = next.newest;
	}
})().catch((error) => {
	console.error(error.message);
	process.exit(1);
});
