/** Imported by a process that is otherwise as users run it: answers each message with what it has used so far. */
process.on('message', () => {
  const { user, system } = process.cpuUsage();
  process.send({
    cpuMs: (user + system) / 1000,
    peakRssMiB: process.resourceUsage().maxRSS / 1024,
    rssMiB: process.memoryUsage.rss() / 2 ** 20,
  });
});
// It is to end when it would without the probe.
process.channel.unref();
