import assert from 'node:assert/strict';
import { test } from 'node:test';
import { cpuModel, describeMachine, libraryVersions, machineLine } from './machine.ts';

test('the CPU is named as the kernel names it', () => {
  assert.equal(
    cpuModel('processor\t: 0\nmodel name\t: Example 9000 @ 2 GHz\nflags\t: a b'),
    'Example 9000 @ 2 GHz',
  );
});

test('an arm64 CPU is named by its numbers', () => {
  assert.equal(cpuModel('CPU implementer\t: 0x41\nCPU part\t: 0xd0c\n'), 'CPU implementer 0x41 part 0xd0c');
});

test('a CPU that tells nothing has no name', () => {
  assert.equal(cpuModel('processor\t: 0\n'), undefined);
});

test('the line tells of kernel, Node and cores', () => {
  const machine = describeMachine();
  assert.ok(machine.cores >= 1);
  assert.match(machineLine(machine), /cores, \d+ GiB · Linux \d+\.\d+.* · Node v24\./);
});

test('the versions of libraries are told for both sides', () => {
  assert.match(libraryVersions(), /grpc-js \d+\..*; the peer: .*grpc v\d+\..*mount-utils v\d+\./);
});
