/** Makes a folder a link that leads elsewhere, and a folder again, without end. Takes the folder and where the link leads. */
import { renameSync, symlinkSync } from 'node:fs';

const [folder = '', elsewhere = ''] = process.argv.slice(2);
symlinkSync(elsewhere, `${folder}.link`);
process.on('disconnect', () => process.exit());
process.send?.('begun');

function swap(): void {
  for (let times = 0; times < 1000; times += 1) {
    renameSync(folder, `${folder}.real`);
    renameSync(`${folder}.link`, folder);
    renameSync(folder, `${folder}.link`);
    renameSync(`${folder}.real`, folder);
  }
  setImmediate(swap);
}
swap();
