// Which of two versions is the newer one, by Semantic Versioning. Must not know whose versions they are.

/** Negative when `left` is the older one, 0 when they are the same. @throws Error when one is not of the form "1.2.3" */
export function compareVersions(left: string, right: string): number {
  const [a, b] = [partsOf(left), partsOf(right)];
  const differing = a.findIndex((part, index) => part !== b[index]);
  return differing === -1 ? 0 : Number(a[differing]) - Number(b[differing]);
}

function partsOf(version: string): readonly number[] {
  const parts = /^(0|[1-9]\d*)\.(0|[1-9]\d*)\.(0|[1-9]\d*)$/.exec(version);
  if (parts === null) throw new Error(`${JSON.stringify(version)} is no version such as "1.2.3".`);
  return parts.slice(1).map(Number);
}
