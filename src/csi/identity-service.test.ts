import assert from 'node:assert/strict';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { phases, poolA } from '../../test/fake-mounter.ts';
import { outcomeOf, ServedCsi } from '../../test/served-csi.ts';
import { waitUntil } from '../../test/wait-until.ts';

let served: ServedCsi;
beforeEach(async () => {
  served = await ServedCsi.open();
});
afterEach(() => served.close());

describe('Probe', () => {
  const ready = async () => (await served.identity.probe({})).ready?.value;

  it('says not ready until the mounter has settled, then ready', async () => {
    assert.equal(await ready(), false);
    served.fake.report({ settled: false });
    await served.follow();
    assert.equal(await ready(), false);
    served.fake.report({ settled: true });
    await waitUntil('it is ready', async () => (await ready()) === true);
  });

  it('fails with FAILED_PRECONDITION and the cause while something needed is missing', async () => {
    await served.follow();
    served.fake.report({
      settled: true,
      problems: [{ reason: 'kernel-unsupported', message: 'Linux 5.4 is too old' }],
    });
    await waitUntil('the kernel is told', async () => {
      const { code, message } = await outcomeOf(served.identity.probe({}));
      return code === 'FAILED_PRECONDITION' && /^kernel-unsupported: Linux 5\.4/.test(message);
    });
    const problem = { reason: 'device-unsuitable', message: 'is system RAM' };
    served.fake.report({ settled: true, devices: [{ name: 'dax0.0', problem }] });
    await waitUntil('the device is told', async () =>
      /dax0\.0: is system RAM/.test((await outcomeOf(served.identity.probe({}))).message),
    );
    await served.fake.stop();
    await waitUntil('the mounter is missed', async () => {
      const { code, message } = await outcomeOf(served.identity.probe({}));
      return code === 'FAILED_PRECONDITION' && /mounter .* cannot be reached/.test(message);
    });
  });

  it('does not fail for an ill pool or an ill device beside a pool', async () => {
    const problem = { reason: 'pool-dead', message: 'gone' };
    served.fake.report({
      settled: true,
      pools: [{ uuid: poolA, phase: phases.POOL_PHASE_UNHEALTHY, problem }],
      devices: [{ name: 'dax1.0', problem }],
    });
    await served.follow();
    assert.equal(await ready(), true);
  });
});

describe('what the driver is and offers', () => {
  it('is told by GetPluginInfo and the capabilities', async () => {
    const info = await served.identity.getPluginInfo({});
    assert.equal(info.name, 'csi.famfs.io');
    assert.equal(info.vendorVersion, '1.2.3');
    const plugin = await served.identity.getPluginCapabilities({});
    assert.deepEqual(
      plugin.capabilities.map(({ service }) => service?.type),
      [1, 2],
    );
    const offered = await served.node.nodeGetCapabilities({});
    assert.deepEqual(
      offered.capabilities.map(({ rpc }) => rpc?.type),
      [2, 5, 7, 8],
    );
  });

  it('does not include staging and growing, and says why', async () => {
    for (const call of [
      served.node.nodeStageVolume({}),
      served.node.nodeUnstageVolume({}),
      served.node.nodeExpandVolume({}),
    ]) {
      const { code, message } = await outcomeOf(call);
      assert.equal(code, 'UNIMPLEMENTED');
      assert.match(message, / /);
    }
  });
});
