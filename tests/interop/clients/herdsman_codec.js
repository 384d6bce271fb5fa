// What zigbee-herdsman makes of MT frames and NV items: for each, its name, and the octets it writes itself.
const path = require("node:path");
const [modules, text] = process.argv.slice(2);
const stack = path.join(modules, "zigbee-herdsman", "dist", "adapter", "z-stack");
const { Parser } = require(path.join(stack, "unpi"));
const { ZpiObject } = require(path.join(stack, "znp", "zpiObject"));
const { nib } = require(path.join(stack, "structs"));

const spec = JSON.parse(text);
const results = [];
const errors = [];
const parser = new Parser();
parser.on("error", (error) => errors.push(String(error)));
parser.on("parsed", (frame) => {
    try {
        results.push([ZpiObject.fromUnpiFrame(frame).command.name, frame.toBuffer().toString("hex")]);
    } catch (error) {
        errors.push(`${frame.toBuffer().toString("hex")}: ${error}`);
    }
});
parser.on("finish", () => {
    const base = nib(Buffer.from(spec.nib, "hex"));
    const network = {
        channel: base.nwkLogicalChannel,
        pan: base.nwkPanId,
        short: base.nwkDevAddress,
        extended_pan: base.extendedPANID.toString("hex"),
        update_id: base.nwkUpdateId,
    };
    console.log(JSON.stringify({ results, errors, network }));
});
parser.on("data", () => {});
for (const each of spec.frames) parser.write(Buffer.from(each, "hex"));
parser.end();
