import { BlockList, isIP } from "node:net";

/** What kind of place a URL's host is, as far as it says so itself: names are not looked up, but `localhost` is one. */
export type HostClass = "loopback" | "unspecified" | "link-local" | "multicast" | "other";

interface Net {
  readonly v4: readonly (readonly [high: number, low: number, prefix: number])[];
  readonly v6: readonly (readonly [network: string, prefix: number])[];
}

/** High and low 16 bits of the IPv4 network, so that its forms inside IPv6 can be built. */
const NETS: Readonly<Record<Exclude<HostClass, "other">, Net>> = {
  loopback: { v4: [[0x7f00, 0, 8]], v6: [["::1", 128]] },
  "link-local": { v4: [[0xa9fe, 0, 16]], v6: [["fe80::", 10]] },
  multicast: {
    v4: [
      [0xe000, 0, 4],
      [0xffff, 0xffff, 32],
    ],
    v6: [["ff00::", 8]],
  },
  unspecified: { v4: [[0, 0, 8]], v6: [["::", 128]] },
};

/** In this order: `::1` is also the IPv4-compatible form of 0.0.0.1. */
const CLASSES = (["loopback", "link-local", "multicast", "unspecified"] as const).map(
  (name) => [name, blockList(NETS[name])] as const,
);

/**
 * @param hostname of a WHATWG URL, so that `0x7f.1` and `2130706433` have become `127.0.0.1` already; IPv6 with or
 *   without brackets
 */
export function hostClass(hostname: string): HostClass {
  const name = hostname.replace(/^\[(.*)\]$/, "$1").toLowerCase();
  const family = isIP(name);
  if (family === 0) return /(^|\.)localhost\.?$/.test(name) ? "loopback" : "other";
  const found = CLASSES.find(([, list]) => list.check(name, family === 6 ? "ipv6" : "ipv4"));
  return found?.[0] ?? "other";
}

/** Attack: `[64:ff9b::a9fe:a9fe]` is the metadata service behind NAT64; every form that carries an IPv4 address counts. */
function blockList({ v4, v6 }: Net): BlockList {
  const list = new BlockList();
  for (const [network, prefix] of v6) list.addSubnet(network, prefix, "ipv6");
  for (const [high, low, prefix] of v4) {
    const [h, l] = [high.toString(16), low.toString(16)];
    // A plain IPv4 network also holds its IPv4-mapped forms (::ffff:0:0/96).
    list.addSubnet(`${high >> 8}.${high & 255}.${low >> 8}.${low & 255}`, prefix, "ipv4");
    list.addSubnet(`::${h}:${l}`, 96 + prefix, "ipv6");
    list.addSubnet(`64:ff9b::${h}:${l}`, 96 + prefix, "ipv6");
    list.addSubnet(`2002:${h}:${l}::`, 16 + prefix, "ipv6");
  }
  return list;
}
