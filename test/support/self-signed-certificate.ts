import type { KeyObject } from "node:crypto";
import { createPrivateKey, generateKeyPairSync, randomBytes, sign } from "node:crypto";
import { isIPv4, isIPv6 } from "node:net";

/**
 * X.509 certificates for tests, in DER by hand, since node:crypto reads certificates and makes none (RFC 5280, with
 * ECDSA P-256 and SHA-256: RFC 5758). Self-signed, valid as its own authority; or issued by such a one.
 */
export interface TestCertificate {
  readonly certificatePem: string;
  readonly keyPem: string;
}

export interface CertificateOptions {
  /** DNS names and addresses; the first is the subject too. */
  readonly names: readonly string[];
  /** Who vouches for it, under this name: the first of its own. Default: itself. */
  readonly issuer?: TestCertificate & { readonly name: string };
  /** It may issue others. Default: when it is self-signed. */
  readonly isAuthority?: boolean;
  /** Default: a day ago. */
  readonly notBefore?: Date;
  /** Default: a day ahead. */
  readonly notAfter?: Date;
}

const DAY_MS = 86_400_000;
const OID = {
  commonName: "550403",
  ecPublicKeySha256: "2a8648ce3d040302",
  basicConstraints: "551d13",
  subjectAltName: "551d11",
} as const;

export function selfSignedCertificate(options: CertificateOptions): TestCertificate {
  const { publicKey, privateKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
  const toSign = toBeSigned(options, publicKey);
  const { issuer } = options;
  const issuerKey = issuer === undefined ? privateKey : createPrivateKey(issuer.keyPem);
  const signature = sign("sha256", toSign, issuerKey);
  const certificate = sequence(toSign, algorithm(), bitString(signature));
  return {
    certificatePem: pem("CERTIFICATE", certificate),
    keyPem: privateKey.export({ type: "pkcs8", format: "pem" }).toString(),
  };
}

function toBeSigned(options: CertificateOptions, publicKey: KeyObject): Buffer {
  const name = distinguishedName(options.names[0] ?? "localhost");
  const { issuer } = options;
  const notBefore = options.notBefore ?? new Date(Date.now() - DAY_MS);
  const notAfter = options.notAfter ?? new Date(Date.now() + DAY_MS);
  const serial = randomBytes(16);
  // Positive, and without a leading zero byte: the first byte is 0x40 … 0x7f.
  serial[0] = ((serial[0] ?? 0) & 0x3f) | 0x40;
  return sequence(
    der(0xa0, der(0x02, Buffer.from([2]))),
    der(0x02, serial),
    algorithm(),
    issuer === undefined ? name : distinguishedName(issuer.name),
    sequence(time(notBefore), time(notAfter)),
    name,
    publicKey.export({ type: "spki", format: "der" }),
    der(
      0xa3,
      sequence(
        authority(options.isAuthority ?? issuer === undefined),
        alternativeNames(options.names),
      ),
    ),
  );
}

/** Basic constraints, critical: CA true, so that a self-signed certificate verifies itself when it is given as a root. */
function authority(isOne: boolean): Buffer {
  const constraints = isOne ? sequence(der(0x01, Buffer.from([0xff]))) : sequence();
  return sequence(
    oid(OID.basicConstraints),
    der(0x01, Buffer.from([0xff])),
    der(0x04, constraints),
  );
}

function alternativeNames(names: readonly string[]): Buffer {
  const entries = names.map((name) => {
    if (isIPv4(name)) return der(0x87, Buffer.from(name.split(".").map(Number)));
    return isIPv6(name) ? der(0x87, ipv6Bytes(name)) : der(0x82, Buffer.from(name, "latin1"));
  });
  return sequence(oid(OID.subjectAltName), der(0x04, sequence(...entries)));
}

function groups(text: string): string[] {
  return text.split(":").filter((group) => group !== "");
}

function ipv6Bytes(address: string): Buffer {
  const [head = "", tail] = address.split("::");
  const [left, right] = [groups(head), groups(tail ?? "")];
  const zeros = Array.from({ length: 8 - left.length - right.length }, () => "0");
  const all = [...left, ...zeros, ...right];
  return Buffer.from(all.map((group) => group.padStart(4, "0")).join(""), "hex");
}

function distinguishedName(commonName: string): Buffer {
  return sequence(der(0x31, sequence(oid(OID.commonName), der(0x0c, Buffer.from(commonName)))));
}

function algorithm(): Buffer {
  return sequence(oid(OID.ecPublicKeySha256));
}

/** GeneralizedTime would be right from 2050 on (RFC 5280, 4.1.2.5); tests do not live that long. */
function time(date: Date): Buffer {
  const digits = date.toISOString().replaceAll(/[-:T]|\.\d+/g, "");
  return der(0x17, Buffer.from(digits.slice(2), "latin1"));
}

function oid(hex: string): Buffer {
  return der(0x06, Buffer.from(hex, "hex"));
}

function bitString(bytes: Uint8Array): Buffer {
  return der(0x03, Buffer.concat([Buffer.from([0]), bytes]));
}

function sequence(...parts: readonly Uint8Array[]): Buffer {
  return der(0x30, Buffer.concat(parts));
}

function der(tag: number, content: Uint8Array): Buffer {
  const { length } = content;
  const lengthBytes =
    length < 0x80 ? [length] : length < 0x100 ? [0x81, length] : [0x82, length >> 8, length & 0xff];
  return Buffer.concat([Buffer.from([tag, ...lengthBytes]), content]);
}

function pem(label: string, bytes: Buffer): string {
  const lines = bytes.toString("base64").replaceAll(/.{64}/g, "$&\n").trimEnd();
  return `-----BEGIN ${label}-----\n${lines}\n-----END ${label}-----\n`;
}
