import { expect, test } from "vitest";
import { hostClass } from "../../src/auth/host-class.ts";

test.each([
  ["http://127.0.0.1/", "loopback"],
  ["http://127.9.9.9/", "loopback"],
  ["http://127.1/", "loopback"],
  ["http://2130706433/", "loopback"],
  ["http://0x7f000001/", "loopback"],
  ["http://0177.0.0.1/", "loopback"],
  ["http://[::1]/", "loopback"],
  ["http://[::ffff:127.0.0.1]/", "loopback"],
  ["http://[64:ff9b::127.0.0.1]/", "loopback"],
  ["http://LOCALHOST/", "loopback"],
  ["http://a.localhost./", "loopback"],
  ["http://localhost.example.com/", "other"],
  ["http://mylocalhost/", "other"],
  ["http://169.254.169.254/", "link-local"],
  ["http://[fe80::1]/", "link-local"],
  ["http://[febf::1]/", "link-local"],
  ["http://[fec0::1]/", "other"],
  ["http://[2002:a9fe:a9fe::1]/", "link-local"],
  ["http://[::169.254.169.254]/", "link-local"],
  ["http://0.0.0.0/", "unspecified"],
  ["http://0/", "unspecified"],
  ["http://[::]/", "unspecified"],
  ["http://224.0.0.251/", "multicast"],
  ["http://239.255.255.255/", "multicast"],
  ["http://255.255.255.255/", "multicast"],
  ["http://[ff02::fb]/", "multicast"],
  ["http://240.0.0.1/", "other"],
  ["http://10.0.0.1/", "other"],
  ["http://192.168.0.1/", "other"],
  ["http://[fd00::1]/", "other"],
  ["http://[2606:4700::1111]/", "other"],
  ["http://registry.example.com/", "other"],
])("the host of %s is %s", (url, expected) => {
  expect(hostClass(new URL(url).hostname)).toBe(expected);
});
