// Every page: theme and search.
import { startSearch } from "#find";
import { startTheme } from "#theme";

startTheme();
startSearch();
