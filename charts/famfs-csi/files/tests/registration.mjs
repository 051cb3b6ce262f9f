// What `helm test` looks at: is the driver registered with the kubelet of every node that it runs on, and does every such node
// report that it is ready? Asks the API server, as the pod's service account, until all is so or the time is up.
import { readFileSync } from 'node:fs';
import https from 'node:https';
import { setTimeout as delay } from 'node:timers/promises';

const driver = 'csi.famfs.io';
const { SERVICE_ACCOUNT_DIR: account = '/var/run/secrets/kubernetes.io/serviceaccount' } = process.env;
const { KUBERNETES_SERVICE_HOST: host, KUBERNETES_SERVICE_PORT: port = '443' } = process.env;
const {
  RELEASE_SELECTOR: selector,
  RELEASE_NAMESPACE: namespace,
  TIMEOUT_SECONDS: timeoutSeconds,
} = process.env;
const ca = readFileSync(`${account}/ca.crt`);
const headers = { authorization: `Bearer ${readFileSync(`${account}/token`, 'utf8').trim()}` };

/** @returns {Promise<any>} the object at a route; rejects with what the API server says against it */
function get(route) {
  return new Promise((resolve, reject) => {
    const request = https.get({ host, port, path: route, ca, headers, timeout: 10_000 }, (response) => {
      let text = '';
      response.setEncoding('utf8');
      response.on('data', (part) => {
        text += part;
      });
      response.on('end', () => {
        const body = JSON.parse(text || '{}');
        if (response.statusCode === 200) resolve(body);
        else reject(new Error(`${route}: ${response.statusCode} ${body.message ?? ''}`));
      });
    });
    request.on('timeout', () => request.destroy(new Error(`${route}: no answer within 10 s`)));
    request.on('error', reject);
  });
}

function podsOf(component) {
  const labels = encodeURIComponent(`${selector},app.kubernetes.io/component=${component}`);
  return get(`/api/v1/namespaces/${namespace}/pods?labelSelector=${labels}`);
}

function isReady({ status }) {
  return (status?.conditions ?? []).some(
    (condition) => condition.type === 'Ready' && condition.status === 'True',
  );
}

/** Sentences on what is missing; none when all is well. */
async function problems() {
  await get(`/apis/storage.k8s.io/v1/csidrivers/${driver}`);
  const [controllers, plugins, { items: csiNodes }, { items: famfsNodes }] = await Promise.all([
    podsOf('controller'),
    podsOf('node'),
    get('/apis/storage.k8s.io/v1/csinodes'),
    get('/apis/famfs.io/v1alpha1/famfsnodes'),
  ]);
  const nodes = plugins.items.map(({ spec }) => spec.nodeName).filter((name) => name !== undefined);
  const found = controllers.items.some(isReady) ? [] : ['No pod of the controller is ready.'];
  if (nodes.length === 0) found.push('The driver runs on no node. Does placement.nodeSelector fit any?');
  for (const name of nodes) {
    const registered = csiNodes.find(({ metadata }) => metadata.name === name)?.spec.drivers ?? [];
    if (!registered.some((each) => each.name === driver))
      found.push(`${name}: the driver is not registered with kubelet.`);
    const report = famfsNodes.find(({ metadata }) => metadata.name === name);
    const ready = report?.status?.conditions?.find(({ type }) => type === 'Ready');
    if (report === undefined) found.push(`${name}: the agent has not reported; there is no FamfsNode.`);
    else if (ready?.status !== 'True')
      found.push(`${name}: the FamfsNode is not ready: ${ready?.message ?? 'it does not say why'}`);
  }
  if (found.length === 0) console.log(`The driver is registered and ready on ${nodes.join(', ')}.`);
  return found;
}

const giveUpAt = Date.now() + Number(timeoutSeconds) * 1000;
for (;;) {
  const found = await problems().catch((error) => [error.message]);
  if (found.length === 0) break;
  if (Date.now() > giveUpAt) {
    console.error(found.join('\n'));
    process.exit(1);
  }
  await delay(2000);
}
