// Encodes or decodes payloads by npm `engine.io-parser` for a while, and prints how many
// nanoseconds a packet took:
//
//     parser.js 4|3 encode|decode text|binary BYTES PACKETS MILLISECONDS

const [version, way, kind, bytes, packets, ms] = process.argv.slice(2);
const { encodePayload, decodePayload } =
  require(version === '4' ? 'engine.io-parser' : 'engine.io-parser-3');

const text = '{"id":4711,"name":"kingfisher","at":[51.5,7.46]},';
const data = kind === 'text'
  ? text.repeat(Math.ceil(bytes / text.length)).slice(0, bytes)
  : Buffer.from(Array.from({ length: Number(bytes) }, (_, n) => (n * 167) & 255));
const list = Array.from({ length: Number(packets) }, () => ({ type: 'message', data }));

let seen = 0;
const encode = version === '4'
  ? () => encodePayload(list, (body) => { seen += body.length; })
  : () => encodePayload(list, true, (body) => { seen += body.length; });

let body;
const take = (encoded) => { body = encoded; };
if (version === '4') encodePayload(list, take);
else encodePayload(list, true, take);
const decode = version === '4'
  ? () => { for (const packet of decodePayload(body)) seen += packet.data.length; }
  : () => decodePayload(body, (packet) => { seen += packet.data.length; });

const once = way === 'encode' ? encode : decode;
const run = (ms) => {
  const began = process.hrtime.bigint();
  let rounds = 0, took;
  do {
    for (let n = 0; n < 100; n++) once();
    rounds += 100;
    took = Number(process.hrtime.bigint() - began);
  } while (took < ms * 1e6);
  return took / rounds / packets;
};
run(Math.max(50, Number(ms)));
const each = run(Number(ms));
if (seen === 0) throw new Error('nothing was seen');
console.log(each);
