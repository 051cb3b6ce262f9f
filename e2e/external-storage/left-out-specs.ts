// The specs of the external storage suite that do not run, and why. A spec that is neither here nor among those that pass fails the
// gate, and so does a pattern here that no spec has. Patterns are of names as `specsOf` gives them, by the reason.

/** What the suite leaves out by itself, by what it is told of the driver; that it does is tried as well. */
export const leftOutBySuite: Readonly<Record<string, readonly RegExp[]>> = {
  'they are for nodes with Windows, where there is no famfs': [
    /\[Feature:Windows\]/,
    /\[Testpattern: [^\]]*\(ntfs\)/,
  ],
  'the suite makes volumes of this kind for drivers that are part of Kubernetes only, for no driver that it is told of by a file; volumes that exist before their claims are in e2e/scenarios':
    [/^\[Testpattern: Inline-volume /, /^\[Testpattern: Pre-provisioned PV /],
  'volumes inline in a pod are refused: whoever may make pods could name any pool and path; see e2e/scenarios/inline-volumes':
    [/^\[Testpattern: CSI Ephemeral-volume /],
  'famfs has no block devices: DAX maps files, and a volume is a directory with files': [
    // Of those that say so, one is that there are none, and one makes none.
    /\(block volmode\)(?!.*should fail in binding dynamic provisioned PV to PVC|\] pvc-deletion-performance )/,
    /volumeMode should fail to use a volume in a pod with mismatched mode/,
    /multiVolume .*two volumes with different volume mode/,
  ],
  'volumes are mounted noexec, unless their class asks for exec': [
    /\(default fs\)\] volumes should allow exec of files on the volume/,
  ],
  'a volume is famfs, and a claim that names another type of file system is refused': [
    /\[Testpattern: [^\]]*\((ext3|ext4|xfs)\)/,
  ],
  'famfs has no snapshots: space that is written once is never copied on write': [
    /[Ss]napshot/,
    /\[Testpattern: {2}\((delete|retain) policy\)\] volumegroupsnapshot/,
  ],
  'volumes are not cloned: that would be a copy, and sharing one needs none': [
    /with pvc data source/,
    /the volume and its clone/,
  ],
  'the size of a famfs file is fixed when it is made, so volumes do not grow': [
    /\] volume-expand /,
    /should support expansion of pvcs created for ephemeral pvcs/,
  ],
  'a volume has nothing that could be changed, so there is no VolumeAttributesClass for the driver': [
    /\] volume-modify/,
  ],
  'owner and group of famfs files are fixed when they are made; the driver says so by fsGroupPolicy None': [
    /\] fsgroupchangepolicy /,
  ],
  'all volumes of a pool are one mount on a node, which has one SELinux label; nodes of this cluster have no SELinux':
    [/\] seLinuxMount /, /\[Feature:SELinux\]/],
  'there is no limit to the volumes of a node': [/\] volumeLimits /],
  'the suite itself leaves it out: two volumes that are bound before their pod is scheduled may be where no node sees both':
    [/\(immediate-binding\)\] ephemeral should support multiple inline ephemeral volumes/],
  'they need two values of one topology key; that of a pool has one, and is absent where the pool is not seen: see e2e/scenarios/pool-classes':
    [/topology should fail to schedule a pod which has topologies that conflict with AllowedTopologies/],
};

/** What is not run here. */
export const notRun: Readonly<Record<string, readonly RegExp[]>> = {
  'pods of these make files in the volume, or truncate what is there: pods change the bytes of files that exist, never names or sizes':
    [
      /\(default fs\)\] volumes should store data/,
      /\] volumeIO /,
      /\] subPath (?!should verify container cannot write to subpath readonly volumes)/,
      /multiVolume .*two volumes with the same volume mode and retain data/,
      /multiVolume .*should concurrently access the single volume/,
      /provisioning should provision storage with mount options/,
      /ephemeral should support two pods which have the same volume definition/,
    ],
  'they stop the kubelet over SSH and write files; e2e/scenarios stops kubelets under pods that read': [
    /\] disruptive /,
  ],
  'it installs a populator and a validator of its own, from images that a cluster without a registry has not':
    [/should provision storage with any volume data source/],
};
