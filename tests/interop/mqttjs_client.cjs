// One run of MQTT.js against a broker: mqttjs_client.cjs MODULES URL VERSION CA USER PASSWORD. Exit 0, or the reason.
"use strict";
const [, , modules, url, version, caPath, username, password] = process.argv;
const fs = require("fs");
const crypto = require("crypto");
const assert = require("assert");
const mqtt = require(modules + "/mqtt");

const options = {
	protocolVersion: Number(version),
	username,
	password,
	ca: fs.readFileSync(caPath),
	reconnectPeriod: 0,
	connectTimeout: 10000,
};

function connect(more) {
	return mqtt.connectAsync(url, { ...options, ...more });
}

// Remembers what arrives, and waits until there are so many.
function listen(client) {
	const messages = [];
	const heard = new Promise((resolve) => (client.heardAll = resolve));
	client.on("message", (topic, payload, packet) => {
		messages.push({ topic, payload, packet });
		if (messages.length === client.wanted) client.heardAll();
	});
	client.await = async (count) => {
		client.wanted = count;
		if (messages.length < count) await heard;
		return messages;
	};
}

async function everyQos() {
	const payloads = [0, 1, 125, 126, 65535, 65536, 200000].map((size) => crypto.randomBytes(size));
	const subscriber = await connect({});
	const publisher = await connect({});
	listen(subscriber);
	const granted = await subscriber.subscribeAsync("js/+", { qos: 2 });
	assert.strictEqual(granted[0].qos, 2);
	for (const qos of [0, 1, 2]) for (const payload of payloads) await publisher.publishAsync("js/" + qos, payload, { qos });
	const messages = await subscriber.await(3 * payloads.length);
	for (const qos of [0, 1, 2]) {
		const got = messages.filter((message) => message.topic === "js/" + qos);
		assert.deepStrictEqual(got.map((message) => message.packet.qos), payloads.map(() => qos));
		got.forEach((message, i) => assert.ok(message.payload.equals(payloads[i])));
	}
	await subscriber.endAsync();
	await publisher.endAsync();
}

async function queuedForTheAbsent() {
	const kept = { clientId: "js-kept-" + version, clean: false };
	if (version === "5") kept.properties = { sessionExpiryInterval: 60 };
	const first = await connect(kept);
	await first.subscribeAsync("kept/js", { qos: 1 });
	await first.endAsync();
	const publisher = await connect({});
	await publisher.publishAsync("kept/js", "while you were out", { qos: 1 });
	const again = mqtt.connect(url, { ...options, ...kept });
	listen(again);
	const [message] = await again.await(1);
	assert.strictEqual(message.payload.toString(), "while you were out");
	await again.endAsync();
	await (await connect({ clientId: kept.clientId, clean: true })).endAsync();
	await publisher.endAsync();
}

async function properties() {
	const client = await connect({});
	listen(client);
	await client.subscribeAsync("props/js", { qos: 1, properties: { subscriptionIdentifier: 268435455 } });
	await client.publishAsync("props/js", "x", {
		qos: 1,
		properties: {
			responseTopic: "answer/js",
			correlationData: Buffer.from([0, 255]),
			contentType: "text/plain",
			userProperties: { b: ["1", "2"], "\u00fc": "\u{1f511}" },
		},
	});
	const [{ packet }] = await client.await(1);
	assert.strictEqual(packet.properties.responseTopic, "answer/js");
	assert.ok(packet.properties.correlationData.equals(Buffer.from([0, 255])));
	assert.strictEqual(packet.properties.contentType, "text/plain");
	assert.deepStrictEqual({ ...packet.properties.userProperties }, { b: ["1", "2"], "\u00fc": "\u{1f511}" });
	assert.strictEqual(Number(packet.properties.subscriptionIdentifier), 268435455);
	await client.endAsync();
}

async function refused() {
	await assert.rejects(connect({ password: "wrong" }));
	if (/^(mqtts|wss):/.test(url)) await assert.rejects(connect({ ca: undefined }), /certificate/);
}

(async () => {
	await everyQos();
	await queuedForTheAbsent();
	if (version === "5") await properties();
	await refused();
	process.exit(0);
})().catch((error) => {
	console.log(String(error.stack || error).split("\n").slice(0, 3).join(" "));
	process.exit(1);
});
