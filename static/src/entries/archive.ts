/** The archive's lists, study pages and albums. */
import { startAdding, startReordering } from '../archive/albums';
import '../archive/archive.css';
import { startFreshening } from '../archive/freshen';

startFreshening();
startReordering();
startAdding();
