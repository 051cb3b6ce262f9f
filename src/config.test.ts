import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { helpText, type OptionTable, type RoleOptions, readConfig } from './config/options.ts';
import { durationBetween, durationMs, listenAddress } from './config/value-types.ts';
import { mounterRole, nodeRole } from './config.ts';
import { DriverError } from './errors.ts';

function mistakesOf(
  role: RoleOptions<OptionTable>,
  argv: readonly string[],
  environment: Record<string, string> = {},
): string[] {
  try {
    readConfig(role, argv, environment);
  } catch (error) {
    assert.ok(error instanceof DriverError);
    assert.equal(error.reason, 'config-invalid');
    return error.message.split('\n').slice(1);
  }
  return [];
}

describe('the configuration', () => {
  it('has a default for everything but the node id', () => {
    const node = readConfig(nodeRole, ['--node-id', 'n1'], {});
    assert.equal(node.nodeId, 'n1');
    assert.equal(node.mounterSocket, '/run/famfs-csi/mounter.sock');
    assert.equal(node.drainTimeoutMs, 25_000);
    assert.equal(node.csiSocket, undefined);
    assert.equal(node.skipRegistration, false);
    const mounter = readConfig(mounterRole, [], {});
    assert.deepEqual(mounter.kubeletDirs, ['/var/lib/kubelet']);
    assert.equal(mounter.pools, 'all');
    assert.equal(mounter.allowWrites, 'never');
  });

  it('takes flags before the environment, and the names others use for the same last', () => {
    const environment = {
      FAMFS_CSI_NODE_ID: 'from-env',
      KUBE_NODE_NAME: 'from-alias',
      CSI_ENDPOINT: 'unix:///csi/csi.sock',
    };
    assert.equal(readConfig(nodeRole, [], environment).nodeId, 'from-env');
    assert.equal(readConfig(nodeRole, ['--node-id=from-flag'], environment).nodeId, 'from-flag');
    assert.equal(readConfig(nodeRole, [], { KUBE_NODE_NAME: 'alias' }).nodeId, 'alias');
    assert.equal(readConfig(nodeRole, [], environment).csiSocket, '/csi/csi.sock');
  });

  it('takes a list by repeating the flag or by commas', () => {
    const twice = ['--kubelet-dir', '/a', '--kubelet-dir=/b/'];
    assert.deepEqual(readConfig(mounterRole, twice, {}).kubeletDirs, ['/a', '/b']);
    const environment = { FAMFS_CSI_KUBELET_DIR: '/c, /d' };
    assert.deepEqual(readConfig(mounterRole, [], environment).kubeletDirs, ['/c', '/d']);
  });

  it('takes a switch alone or with a value', () => {
    assert.equal(readConfig(mounterRole, ['--allow-driver-switch'], {}).allowDriverSwitch, true);
    assert.equal(readConfig(mounterRole, ['--allow-driver-switch=false'], {}).allowDriverSwitch, false);
    const environment = { FAMFS_CSI_ALLOW_DRIVER_SWITCH: 'true' };
    assert.equal(readConfig(mounterRole, [], environment).allowDriverSwitch, true);
  });

  it('takes an option with one dash for one mistake, however long it is', () => {
    const text = mistakesOf(nodeRole, ['-node-id', `-${'ab'.repeat(50_000)}`, '--', '-c'], {}).join('\n');
    assert.match(text, /^ {2}-node-id is not an option\. Did you mean "node-id"\?\n {2}-(ab){99}a is not an/);
    assert.match(text, /"-c" is not expected here/);
  });

  it('takes a value that begins with a dash as it was written', () => {
    assert.match(mistakesOf(nodeRole, ['--csi-socket', '-x/y'], {}).join('\n'), /-x\/y/);
  });

  it('tells every mistake at once, each with its flag or variable', () => {
    const argv = [
      '--log-levl',
      'info',
      '--log-format=xml',
      '--kubelet-dir',
      'relative',
      'stray',
      '--csi-socket',
    ];
    const mistakes = mistakesOf(nodeRole, argv, { FAMFS_CSI_DRAIN_TIMEOUT: '5' });
    const text = mistakes.join('\n');
    assert.match(text, /--log-levl is not an option. Did you mean "log-level"\?/);
    assert.match(text, /--log-format is one of json, text, not "xml"/);
    assert.match(text, /--kubelet-dir needs an absolute path/);
    assert.match(text, /"stray" is not expected here/);
    assert.match(text, /--csi-socket needs a value: --csi-socket SOCKET/);
    assert.match(text, /FAMFS_CSI_DRAIN_TIMEOUT needs a time such as/);
    assert.match(text, /--node-id is missing; give it or set FAMFS_CSI_NODE_ID/);
  });

  it('refuses a flag given twice, a flag as the value of another, and a switch that is neither on nor off', () => {
    assert.match(
      mistakesOf(nodeRole, ['--node-id=a', '--node-id=b']).join(),
      /--node-id can be given once only/,
    );
    assert.match(mistakesOf(nodeRole, ['--node-id', '--log-level=info']).join(), /--node-id needs a value/);
    assert.match(mistakesOf(mounterRole, ['--allow-driver-switch=maybe']).join(), /true or false/);
  });

  it('ignores the variables that Kubernetes makes of a Service name', () => {
    const environment = {
      FAMFS_CSI_METRICS_SERVICE_HOST: '10.0.0.1',
      FAMFS_CSI_METRICS_PORT: 'tcp://10.0.0.1:1',
    };
    assert.deepEqual(mistakesOf(mounterRole, [], environment), []);
  });

  it('never throws anything but its own error, whatever the arguments', () => {
    const word = fc.oneof(
      fc.string(),
      fc.constantFrom(
        '--node-id',
        '--',
        '-',
        '--=',
        '--node-id=',
        '--no-node-id',
        '-x',
        '--__proto__',
        '--pools',
      ),
    );
    fc.assert(fc.property(fc.array(word), (argv) => void mistakesOf(nodeRole, argv)));
    fc.assert(fc.property(fc.array(word), (argv) => void mistakesOf(mounterRole, argv)));
  });
});

describe('the help', () => {
  it('names every option with its default and stays within 100 columns', () => {
    for (const role of [nodeRole, mounterRole]) {
      const text = helpText(role);
      for (const option of Object.values(role.options)) assert.match(text, new RegExp(`--${option.flag}\\b`));
      for (const line of text.split('\n')) assert.ok(line.length <= 100, line);
    }
    assert.match(helpText(nodeRole), /required/);
    assert.match(helpText(mounterRole), /default: \/run\/famfs\/pools/);
  });
});

describe('value types', () => {
  it('read times with their units', () => {
    assert.equal(durationMs.parse('500ms'), 500);
    assert.equal(durationMs.parse('1.5s'), 1500);
    assert.equal(durationMs.parse('2m'), 120_000);
    for (const text of ['', '5', '0s', '-1s', '25h', '1 s', '1e3s'])
      assert.throws(() => durationMs.parse(text), text);
  });

  it('read times within bounds of their own', () => {
    const type = durationBetween('1s', '60s');
    assert.deepEqual(
      ['1s', '1.5s', '1m', '60000ms'].map((text) => type.parse(text)),
      [1000, 1500, 60_000, 60_000],
    );
    for (const text of ['999ms', '61s', '2h']) assert.throws(() => type.parse(text), /is between 1s and 60s/);
    assert.throws(() => type.parse('soon'), /needs a time/);
  });

  it('read addresses to listen on', () => {
    assert.deepEqual(listenAddress.parse(':9808'), { host: undefined, port: 9808 });
    assert.deepEqual(listenAddress.parse('[::1]:1'), { host: '::1', port: 1 });
    assert.deepEqual(listenAddress.parse('127.0.0.1:0'), { host: '127.0.0.1', port: 0 });
    for (const text of ['', '9808', 'host', ':70000', '::1:1'])
      assert.throws(() => listenAddress.parse(text), text);
  });
});
