// OSC 1.0 messages as bytes, with what node has built in.

"use strict";

const SMALLEST = -(2 ** 31);
const LARGEST = 2 ** 31 - 1;

function padded(text) {
  const bytes = Buffer.from(text, "utf8");
  return Buffer.concat([bytes, Buffer.alloc(4 - (bytes.length % 4))]);
}

// A message of texts and numbers: whole numbers go as i or h, others as d, never as a float of 32 bits.
function encode(address, values) {
  let tags = ",";
  const body = values.map((value) => {
    if (typeof value === "string" && !value.includes("\0")) {
      tags += "s";
      return padded(value);
    }
    if (typeof value !== "number" || !Number.isFinite(value)) {
      throw new TypeError(`an argument is ${String(value)}; expected a text or a number`);
    }
    const bytes = Buffer.alloc(8);
    if (Number.isInteger(value) && value >= SMALLEST && value <= LARGEST) {
      tags += "i";
      bytes.writeInt32BE(value);
      return bytes.subarray(0, 4);
    }
    if (Number.isSafeInteger(value)) {
      tags += "h";
      bytes.writeBigInt64BE(BigInt(value));
    } else {
      tags += "d";
      bytes.writeDoubleBE(value);
    }
    return bytes;
  });
  return Buffer.concat([padded(address), padded(tags), ...body]);
}

function textAt(packet, place) {
  const stop = packet.indexOf(0, place);
  if (stop < 0) {
    throw new RangeError("a text has no end");
  }
  return { text: packet.toString("utf8", place, stop), next: stop + 4 - ((stop - place) % 4) };
}

const READERS = {
  i: (packet, place) => ({ value: packet.readInt32BE(place), next: place + 4 }),
  f: (packet, place) => ({ value: packet.readFloatBE(place), next: place + 4 }),
  h: (packet, place) => ({ value: Number(packet.readBigInt64BE(place)), next: place + 8 }),
  d: (packet, place) => ({ value: packet.readDoubleBE(place), next: place + 8 }),
  s: (packet, place) => {
    const { text, next } = textAt(packet, place);
    return { value: text, next };
  },
  T: (packet, place) => ({ value: true, next: place }),
  F: (packet, place) => ({ value: false, next: place }),
  N: (packet, place) => ({ value: null, next: place }),
};

// Address and arguments of a packet; null where it is no message that can be read.
function decode(packet) {
  try {
    const address = textAt(packet, 0);
    const tags = textAt(packet, address.next);
    if (!address.text.startsWith("/") || !tags.text.startsWith(",")) {
      return null;
    }
    let place = tags.next;
    const values = [];
    for (const tag of tags.text.slice(1)) {
      const { value, next } = READERS[tag](packet, place);
      values.push(value);
      place = next;
    }
    return { address: address.text, values };
  } catch (error) {
    if (error instanceof RangeError || error instanceof TypeError) {
      return null; // it ends too soon, or has a type that no reply has
    }
    throw error;
  }
}

module.exports = { encode, decode };
