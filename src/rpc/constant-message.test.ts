import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { nodeService } from '../csi/protocol.ts';
import { constantMessage } from './constant-message.ts';

const { response } = nodeService.methods.nodeGetCapabilities;
const capabilities = () => ({ capabilities: [{ rpc: { type: 1 } }, { rpc: { type: 4 } }] });

describe('a message that is the same for every call', () => {
  it('is encoded once, and to what it would be otherwise', () => {
    const constant = constantMessage(capabilities());
    const bytes = response.encode(constant);
    assert.deepEqual(bytes, response.encode(capabilities()));
    assert.equal(response.encode(constant), bytes);
  });

  it('is encoded anew as a message of another type', () => {
    const constant = constantMessage({ nodeId: 'a', name: 'b' });
    const info = nodeService.methods.nodeGetInfo.response;
    const before = info.encode(constant);
    assert.notDeepEqual(response.encode(constant), before);
    assert.equal(info.encode(constant), before);
  });

  it('cannot be changed, nor can what is in it', () => {
    const constant = constantMessage(capabilities());
    assert.throws(() => constant.capabilities.push({ rpc: { type: 2 } }), TypeError);
    const [first] = constant.capabilities;
    assert.ok(first);
    assert.throws(() => Object.assign(first.rpc, { type: 2 }), TypeError);
  });
});
