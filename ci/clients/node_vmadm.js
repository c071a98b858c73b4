/*
 * node_vmadm.js PACKAGE IMAGE: the vmadm package of npm, unmodified, against the programs in a simulated global zone.
 * Every function of it is called. The package knows vmadm as /usr/sbin/vmadm and reads /etc/zones itself: these paths
 * are looked up below the root. Exits 1 at the first answer that is not as expected.
 */
'use strict';

const childProcess = require('child_process');
const fs = require('fs');
const path = require('path');

const [pkg, image] = process.argv.slice(2);
const root = process.env.ZONEKIT_ROOT;
const below = (name) => path.join(root, name);

const { spawn } = childProcess;
childProcess.spawn = (program, ...rest) =>
  spawn(program === '/usr/sbin/vmadm' ? below(program) : program, ...rest);
const { readFile } = fs;
fs.readFile = (name, ...rest) =>
  readFile(String(name).startsWith('/etc/zones/') ? below(name) : name, ...rest);

// What it loads on SmartOS; its main file asks the platform of this machine.
const vmadm = require(path.join(pkg, 'lib/index.sunos.js'));

const silent = () => {};
const log = { trace: silent, debug: silent, info: silent, warn: silent, error: silent };
const UUID = 'a0000007-0000-4000-8000-000000000007';
let passed = 0;

function call(name, options) {
  return new Promise((resolve, reject) => {
    const done = (error, answer) => (error ? reject(error) : resolve(answer));
    vmadm[name]({ log, req_id: 'clients', uuid: UUID, ...options }, done);
  });
}

function lookup(search, options) {
  return new Promise((resolve, reject) => {
    vmadm.lookup(search, { log, ...options }, (error, vms) => (error ? reject(error) : resolve(vms)));
  });
}

function check(what, good, answer) {
  if (!good) {
    console.error(`node-vmadm: ${what}: ${JSON.stringify(answer)}`);
    process.exit(1);
  }
  passed += 1;
}

async function fails(what, promise, expected) {
  try {
    check(what, false, await promise);
  } catch (error) {
    check(what, expected(error), [error.message, error.stderr, error.restCode, error.code]);
  }
}

function within(seconds, what, promise) {
  const late = new Promise((_, reject) => {
    setTimeout(() => reject(new Error(`${what} took more than ${seconds} seconds`)), seconds * 1000).unref();
  });
  return Promise.race([promise, late]);
}

async function main() {
  await fails('load of no VM', call('load'), (e) => e.restCode === 'VmNotFound');
  await fails('delete of no VM', call('delete'), (e) => e.restCode === 'VmNotFound');
  check('exists before', await call('exists') === false);

  const seen = [];
  let heard = silent;
  const stream = await within(30, 'ready', new Promise((resolve, reject) => {
    const events = vmadm.events({ log, name: 'clients' }, (event) => {
      seen.push(event);
      heard();
    }, (error, ready) => (error ? reject(error) : resolve(ready)));
    events.on('error', reject);
  }));
  const event = (type, test) => within(30, `event ${type}`, new Promise((resolve) => {
    heard = () => {
      const found = seen.find((e) => e.type === type && e.uuid === UUID && test(e));
      if (found) {
        resolve(found);
      }
    };
    heard();
  }));
  check('ready event', stream.ev.type === 'ready' && Object.keys(stream.ev.vms).length === 0, stream.ev);

  const info = await call('create', {
    brand: 'joyent', image_uuid: image, alias: 'node', quota: 5, max_physical_memory: 256,
    nics: [{ nic_tag: 'admin', ips: ['10.99.1.7/24'], primary: true }],
    customer_metadata: { 'user-script': '#!/bin/sh\necho "it\'s" $(date)\n' },
  });
  check('create', info.uuid === UUID, info);
  check('event create', (await event('create', () => true)).vm.alias === 'node');
  await fails('create twice', call('create', { brand: 'joyent', image_uuid: image, alias: 'node' }),
    (e) => e.message.includes('already exists'));
  check('exists', await call('exists') === true);

  let vm = await call('load');
  check('load', vm.state === 'running' && vm.nics[0].ip === '10.99.1.7', vm);
  vm = await call('load', { fields: ['uuid', 'alias'] });
  check('load of fields', Object.keys(vm).sort().join() === 'alias,uuid', vm);
  let vms = await lookup({ alias: 'node' }, { fields: ['uuid', 'state'] });
  check('lookup', vms.length === 1 && vms[0].uuid === UUID && vms[0].state === 'running', vms);
  vms = await lookup({ alias: 'other' });
  check('lookup of none', vms.length === 0, vms);

  await call('update', {
    max_physical_memory: 512, set_tags: { role: 'db' }, alias: 'renamed', remove_customer_metadata: ['user-script'],
  });
  vm = await call('load');
  check('update', vm.max_physical_memory === 512 && vm.tags.role === 'db' && vm.alias === 'renamed', vm);
  check('metadata removed', vm.customer_metadata['user-script'] === undefined, vm.customer_metadata);
  const changed = await event('modify', (e) => e.changes.some((c) => c.prettyPath === 'tags.role'));
  check('event modify', changed.vm.tags.role === 'db', changed);
  await fails('update with a bad value', call('update', { quota: 'x' }), (e) => e.message.includes('quota'));

  await call('create_snapshot', { snapshot_name: 'one' });
  vm = await call('load');
  check('snapshot', vm.snapshots.length === 1 && vm.snapshots[0].name === 'one', vm.snapshots);
  await call('rollback_snapshot', { snapshot_name: 'one' });
  await call('delete_snapshot', { snapshot_name: 'one' });
  vm = await call('load');
  check('snapshot away', vm.snapshots.length === 0 && vm.state === 'running', vm.snapshots);

  await call('reboot');
  await call('reboot', { force: true });
  await call('stop');
  check('stopped', (await call('load')).state === 'stopped');
  await event('modify', (e) => e.vm.state === 'stopped');
  await fails('kill of a stopped VM', call('kill', { signal: 'SIGKILL' }), (e) => e.code === 'ENOTRUNNING');
  await call('start');
  await call('stop', { force: true, timeout: 5 });
  await call('start');
  await call('kill', { signal: 'SIGUSR1' });
  await fails('info of a zone', call('info', { types: ['all'] }), (e) => e.stderr.length > 0);
  await call('reprovision', { image_uuid: image });
  check('reprovisioned', (await call('load')).tags.role === 'db');

  await call('delete');
  await event('delete', () => true);
  check('gone', await call('exists') === false);
  await fails('load of the VM gone', call('load'), (e) => e.restCode === 'VmNotFound');
  stream.stop();
  console.log(`node-vmadm: ${passed} passed, 0 failed`);
}

main().catch((error) => {
  console.error('node-vmadm:', error, error.stderr || '', error.stderrLines || '');
  process.exit(1);
});
