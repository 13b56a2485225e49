import assert from "node:assert/strict";
import { test } from "node:test";
import { closingLine, fromJunit, fromStatus, fromTap, sum, withStatus } from "./test-results.mjs";

test("a JUnit report is counted, errors as failures", () => {
  const xml = '<?xml version="1.0"?><testsuites name="pytest tests"><testsuite name="pytest" errors="1" failures="2" skipped="3" tests="16" time="1.0"><testcase/></testsuite></testsuites>';
  assert.deepEqual(fromJunit(xml), { passed: 10, failed: 3, skipped: 3 });
});

test("a TAP report is counted, cancelled tests as failures", () => {
  const tap = "TAP version 13\nok 1 - a\n# tests 9\n# suites 0\n# pass 5\n# fail 1\n# cancelled 1\n# skipped 1\n# todo 1\n";
  assert.deepEqual(fromTap(tap), { passed: 5, failed: 2, skipped: 2 });
});

test("a runner that died, or found no tests, is one failure", () => {
  assert.deepEqual(withStatus(fromJunit(null), 139), { passed: 0, failed: 1, skipped: 0 });
  assert.deepEqual(withStatus(fromTap(null), 0), { passed: 0, failed: 1, skipped: 0 });
  assert.deepEqual(withStatus({ passed: 4, failed: 0, skipped: 0 }, 3), { passed: 4, failed: 1, skipped: 0 });
});

test("a named failure is not counted twice because of the exit status", () => {
  assert.deepEqual(withStatus({ passed: 4, failed: 2, skipped: 0 }, 1), { passed: 4, failed: 2, skipped: 0 });
});

test("the closing line sums all suites and names skips only when there are some", () => {
  const total = sum([fromStatus(0), fromStatus(1), { passed: 7, failed: 0, skipped: 0 }]);
  assert.equal(closingLine(total), "8 passed, 1 failed");
  assert.equal(closingLine(sum([total, { passed: 0, failed: 0, skipped: 2 }])), "8 passed, 1 failed, 2 skipped");
});
