/** The archive's lists and study pages. */
import '../archive/archive.css';
import { startFreshening } from '../archive/freshen';

startFreshening();
