// A Zigbee host of zigbee-herdsman on a radio processor: does what it is told, line by line, and says what came of it.
//
// Arguments: the folder of its modules, and a JSON object with `path` of the port, `adapter`, `folder` for its files and
// `network` (panID, extendedPanID, channelList, networkKey). Each line of standard input is a JSON list: a verb and its
// arguments. Each line of standard output is an answer, {"result": ...} or {"error": "..."}; the first is the start's.
const path = require("node:path");
const readline = require("node:readline");
const [modules, text] = process.argv.slice(2);
const { Controller, setLogger } = require(path.join(modules, "zigbee-herdsman"));
const spec = JSON.parse(text);

const say = (level) => (message, namespace) => console.error(level, namespace, typeof message === "function" ? message() : message);
const quiet = () => {};
const debug = spec.debug ? say("debug") : quiet;
setLogger({ debug, info: debug, warning: say("warning"), error: say("error") });

const seen = [];
const controller = new Controller({
    network: spec.network,
    serialPort: { path: spec.path, adapter: spec.adapter, baudRate: 115200, rtscts: false },
    databasePath: path.join(spec.folder, "database.db"),
    backupPath: path.join(spec.folder, "backup.json"),
    adapter: { concurrent: 4 },
    acceptJoiningDeviceHandler: async () => true,
});
controller.on("deviceJoined", ({ device }) => seen.push(["joined", device.ieeeAddr, device.networkAddress]));
controller.on("deviceInterview", ({ status, device }) =>
    seen.push([status === "successful" ? "initialised" : status, device.ieeeAddr, device.manufacturerName, device.modelID]),
);
controller.on("deviceAnnounce", ({ device }) => seen.push(["announced", device.ieeeAddr]));
controller.on("deviceLeave", ({ ieeeAddr }) => seen.push(["left", ieeeAddr]));
controller.on("adapterDisconnected", () => seen.push(["lost"]));
controller.on("message", ({ type, device, cluster, data }) => {
    if (type === "attributeReport") seen.push(["attribute", device.ieeeAddr, cluster, data]);
});

function endpoint(eui, cluster) {
    const found = controller.getDeviceByIeeeAddr(eui).endpoints.find((each) => each.supportsInputCluster(cluster));
    if (!found) throw new Error(`${eui} has no endpoint with ${cluster}`);
    return found;
}

const verbs = {
    async start() {
        const begin = performance.now();
        const how = await controller.start();
        const seconds = (performance.now() - begin) / 1000;
        const network = await controller.getNetworkParameters();
        return { how, seconds, network, eui: controller.getDevicesByType("Coordinator")[0].ieeeAddr };
    },
    backup: () => controller.backup(),
    permit: (seconds) => controller.permitJoin(seconds),
    install_code: (eui, code) => controller.addInstallCode(`${eui.slice(2)}|${code}`),
    seen: async () => seen,
    read: (eui, cluster, attributes) => endpoint(eui, cluster).read(cluster, attributes),
    async reads(eui, cluster, attribute, count) {
        const target = endpoint(eui, cluster);
        const begin = performance.now();
        for (let at = 0; at < count; at++) await target.read(cluster, [attribute]);
        return (count * 1000) / (performance.now() - begin);
    },
    async report(eui, cluster, attribute, least, most, change) {
        const target = endpoint(eui, cluster);
        await target.bind(cluster, controller.getDevicesByType("Coordinator")[0].endpoints[0]);
        const item = { attribute, minimumReportInterval: least, maximumReportInterval: most, reportableChange: change };
        await target.configureReporting(cluster, [item]);
    },
    remove: (eui) => controller.getDeviceByIeeeAddr(eui).removeFromNetwork(),
    stop: () => controller.stop(),
};

async function run(verb, ...given) {
    let answer;
    try {
        answer = { result: (await verbs[verb](...given)) ?? null };
    } catch (error) {
        console.error(error);
        answer = { error: String(error) };
    }
    console.log(JSON.stringify(answer));
    if (verb === "stop") process.exit(0);
}

let turn = run("start");
const lines = readline.createInterface({ input: process.stdin });
lines.on("line", (line) => {
    turn = turn.then(() => run(...JSON.parse(line)));
});
lines.on("close", () => {
    turn = turn.then(() => run("stop"));
});
